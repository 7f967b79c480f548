"""What a person can do after an error: every error page has a way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from tollhouse.errors import TollhouseError
from tollhouse.pages.rendering import Action

NEW_LINK: Final = Action("Ask for a new link", href="/auth/sign-in", primary=True)
TYPE_CODE: Final = Action("Type the code", href="/auth/check-your-email")
SIGN_IN: Final = Action("Sign in", href="/auth/sign-in", primary=True)
OTHER_ADDRESS: Final = Action("Use another address", href="/auth/sign-in", primary=True)
ACCOUNT: Final = Action("Go to your account", href="/account", primary=True)
BILLING: Final = Action("Go to your billing", href="/account/billing", primary=True)
PRICING: Final = Action("See the prices", href="/billing/pricing", primary=True)

WAYS_ON: Final[Mapping[str, Sequence[Action]]] = {
    "magic_link_invalid": (NEW_LINK, TYPE_CODE),
    "magic_link_expired": (NEW_LINK,),
    "magic_link_used": (ACCOUNT, TYPE_CODE, replace(NEW_LINK, primary=False)),
    "code_invalid": (NEW_LINK,),
    "code_locked": (NEW_LINK,),
    # The mail from before is on its way or there, and its code still works.
    "rate_limited": (replace(TYPE_CODE, primary=True), replace(OTHER_ADDRESS, primary=False)),
    "mail_unavailable": (Action("Try again", href="/auth/sign-in", primary=True), TYPE_CODE),
    "next_invalid": (SIGN_IN,),
    "user_blocked": (OTHER_ADDRESS,),
    "sign_up_closed": (OTHER_ADDRESS,),
    "not_signed_in": (SIGN_IN,),
    "cookie_ambiguous": (),  # every page of ours would say the same until the cookies are gone
    "purchase_unknown": (BILLING, replace(PRICING, primary=False)),
    "price_unknown": (PRICING,),
    "already_subscribed": (BILLING,),
    "purchase_expired": (PRICING,),
    "stripe_unavailable": (replace(PRICING, label="Try again"), replace(BILLING, primary=False)),
    "stripe_refused": (PRICING,),
    "catalogue_not_ready": (PRICING,),
    "sign_in_stale": (Action("Sign in again", href="/auth/sign-in?next=/account/delete", primary=True),),
}
TITLES: Final[Mapping[str, str]] = {
    "magic_link_invalid": "This link is not complete",
    "magic_link_used": "This link was already used",
    "magic_link_expired": "This link has expired",
    "code_invalid": "This code does not work",
    "code_locked": "This code is locked",
    "next_invalid": "We cannot lead you back there",
    "not_found": "There is nothing here",
    "user_blocked": "This account is blocked",
    "sign_up_closed": "By invitation only",
    "sign_in_stale": "Please sign in once more",
    "purchase_unknown": "We do not know this purchase",
    "price_unknown": "This is not on sale any more",
    "already_subscribed": "You have this already",
    "stripe_unavailable": "Payments cannot be taken just now",
    "stripe_refused": "This cannot be bought just now",
    "catalogue_not_ready": "This cannot be bought yet",
    "mail_unavailable": "Mail cannot be sent just now",
    "cookie_ambiguous": "Your browser's cookies are mixed up",
}


def actions_for(error: TollhouseError) -> Sequence[Action]:
    """Return the ways on from an error."""
    return WAYS_ON.get(error.code, (ACCOUNT,))
