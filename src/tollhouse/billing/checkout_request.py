"""What somebody asks to buy, checked, and what Stripe is asked for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.billing.catalogue import Catalogue, Price
from tollhouse.billing.till import Till
from tollhouse.errors import BodyInvalid
from tollhouse.identity import redirects
from tollhouse.identity.errors import NextInvalid
from tollhouse.ledger.errors import IdempotencyKeyInvalid
from tollhouse.pages.bodies import text_field
from tollhouse.settings import Settings

FIELDS: Final = frozenset({"price", "quantity", "success_url", "cancel_url"})
FIELD_NAME_SHOWN_MAX: Final = 60
KEY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")  # printable ASCII, which is what a header holds
RETURN_PATH: Final = "/billing/return"
PRICING_PATH: Final = "/billing/pricing"
BILLING_PATH: Final = "/account/billing"
SESSION_ID_TEMPLATE: Final = "{CHECKOUT_SESSION_ID}"  # Stripe puts the session's id in its place


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to buy, and where they want to go from it."""

    price: Price
    quantity: int
    success_url: str | None = None
    cancel_url: str | None = None

    @property
    def fingerprint(self) -> bytes:
        """What tells this request from another one under the same Idempotency-Key, 32 bytes."""
        parts = [self.price.id, self.quantity, self.success_url, self.cancel_url]
        return hashlib.sha256(json.dumps(parts).encode()).digest()

    @property
    def claim(self) -> str:
        """What may be open once only for this user: a subscription of a product, or the very same payment."""
        if self.price.terms.mode == "subscription":
            return f"subscription:{self.price.product.id}"
        return f"payment:{self.fingerprint.hex()}"


def parse(settings: Settings, catalogue: Catalogue, fields: Mapping[str, Any]) -> Wanted:
    """Return what the fields of a body ask for; raise `BodyInvalid`, `PriceUnknown` or `NextInvalid`.

    Whatever is not asked for here is refused: a buyer named in the body is not who pays, and must not seem so.
    """
    _refuse_other_fields(fields, FIELDS)
    price = catalogue.price(text_field(fields, "price"))
    quantity = parse_quantity(fields.get("quantity", 1), price.terms.quantity_max)
    success_url = _parse_url(settings, fields, "success_url")
    return Wanted(price, quantity, success_url, _parse_url(settings, fields, "cancel_url"))


def parse_return_url(settings: Settings, fields: Mapping[str, Any]) -> str:
    """Return where the customer portal leads back to; raise `BodyInvalid` or `NextInvalid`."""
    _refuse_other_fields(fields, frozenset({"return_url"}))
    return _parse_url(settings, fields, "return_url") or home_of(settings)


def home_of(settings: Settings) -> str:
    """Return the page of ours that whoever has paid goes on to, unless the app named one of its own."""
    return settings.url + (BILLING_PATH if settings.has_gate else PRICING_PATH)


def parse_quantity(value: object, quantity_max: int) -> int:
    """Return how many; raise `BodyInvalid` for what is no whole number from 1 to `quantity_max`."""
    if type(value) is int and 1 <= value <= quantity_max:  # `True` is an int too
        return value
    raise BodyInvalid(f"`quantity` must be a whole number from 1 to {quantity_max}.", field="quantity")


def parse_key(value: str | None) -> str | None:
    """Return the Idempotency-Key of the header, or None without one; raise `IdempotencyKeyInvalid`."""
    if value is None or KEY.fullmatch(value):
        return value
    raise IdempotencyKeyInvalid


def _refuse_other_fields(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in fields:
        if name not in known:
            raise BodyInvalid("There is no such field here.", field=name[:FIELD_NAME_SHOWN_MAX])


def _parse_url(settings: Settings, fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if value == "":
        raise NextInvalid(field=name)
    try:
        return redirects.parse(settings, value)
    except NextInvalid:
        raise NextInvalid(field=name) from None


def stripe_parameters(till: Till, wanted: Wanted, *, purchase_id: str, user_id: str, has_trial: bool) -> dict[str, Any]:
    """Return what Stripe is asked to make, all but the customer; raise `CatalogueNotReady`.

    https://docs.stripe.com/api/checkout/sessions/create. The metadata goes onto whatever the session makes as well,
    so that each of those objects leads back to the purchase by itself.
    """
    settings, terms = till.run.settings, wanted.price.terms
    ours = {"tollhouse_purchase": purchase_id, "tollhouse_user": user_id}
    made: dict[str, Any] = {"metadata": ours}
    if has_trial:
        made["trial_period_days"] = terms.trial_days
    parameters: dict[str, Any] = {
        "mode": terms.mode,
        "line_items": [{"price": till.catalogue.stripe_price_of(wanted.price), "quantity": wanted.quantity}],
        "client_reference_id": user_id,
        "metadata": ours,
        "subscription_data" if terms.mode == "subscription" else "payment_intent_data": made,
        "success_url": f"{settings.url}{RETURN_PATH}?checkout_session_id={SESSION_ID_TEMPLATE}",
        "cancel_url": wanted.cancel_url or settings.url + PRICING_PATH,
    }
    if settings.checkout_promotion_codes:
        parameters["allow_promotion_codes"] = True
    if settings.checkout_automatic_tax:  # worked out from the address, which is then kept for the invoices to come
        parameters |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
    return parameters
