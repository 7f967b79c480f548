"""Pages of the till: pricing, credits to buy, and what somebody has bought; plain forms that work without script."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.billing import account_words, checkout, offers, portal, subscriptions
from tollhouse.billing.checkout import Buyer
from tollhouse.billing.checkout_request import BILLING_PATH, PRICING_PATH, parse
from tollhouse.billing.errors import AlreadySubscribed, NoCustomer
from tollhouse.billing.till import till_of
from tollhouse.errors import NotSignedIn
from tollhouse.identity import sessions
from tollhouse.identity.session_routes import require_session
from tollhouse.identity.sessions import Session
from tollhouse.identity.web import Web, run_of, web_of
from tollhouse.ledger import accounts
from tollhouse.pages.bodies import read_fields
from tollhouse.pages.headers import security_headers
from tollhouse.pages.replies import Reply, redirect, reply_page
from tollhouse.pages.routing import PlainRoute
from tollhouse.settings import Settings

router: Final = APIRouter(route_class=PlainRoute)
CREDITS_PATH: Final = "/billing/credits"
SIGN_IN_FIRST: Final = "/auth/sign-in?next="
STRIPE_API: Final = "https://api.stripe.com"
STRIPE_PAGES: Final = ("https://checkout.stripe.com", "https://billing.stripe.com")


@router.get(PRICING_PATH, include_in_schema=False)
async def show_pricing(request: Request) -> Response:
    """The page with what is sold, for everybody; whoever is signed in sees what they have."""
    till, session = till_of(request), await _find_session(request)
    had = [] if session is None else await subscriptions.living(till.run, session.user_id, till.livemode)
    return _page(
        request,
        "pricing.html",
        products=offers.plans(till.catalogue, had),
        signed_in=session is not None,
        sells_credits=bool(offers.packs(till.catalogue)),
    )


@router.get(CREDITS_PATH, include_in_schema=False)
async def show_credits(request: Request) -> Response:
    """The page where credits are bought."""
    till, session = till_of(request), await _find_session(request)
    balance = None if session is None else await accounts.find(till.run.db, session.user_id)
    return _page(
        request,
        "buy_credits.html",
        products=offers.packs(till.catalogue),
        signed_in=session is not None,
        available=f"{balance.available:,}" if balance else None,
    )


@router.get(BILLING_PATH, include_in_schema=False)
async def show_billing(request: Request) -> Response:
    """The page with what somebody has bought; a stranger signs in first and comes back."""
    try:
        session = await require_session(request)
    except NotSignedIn:
        return _sign_in_first(request, BILLING_PATH)
    words = await account_words.tell(till_of(request), session.user_id)
    return _page(request, "billing.html", **words)


@router.post("/billing/checkout", include_in_schema=False)
async def buy(request: Request) -> Response:
    """Begin a purchase from a page of ours, and lead to where it is paid."""
    till, fields = till_of(request), dict(await read_fields(request))
    try:
        session = await require_session(request)
    except NotSignedIn:
        return _sign_in_first(request, PRICING_PATH)
    if "quantity" in fields:
        fields["quantity"] = _number(fields["quantity"])
    wanted = parse(till.run.settings, till.catalogue, fields)
    try:
        purchase = await checkout.begin(till, Buyer(session.user_id, session.email), wanted)
    except AlreadySubscribed:
        return redirect(till.run.settings.url + BILLING_PATH)
    return _lead_to(request, checkout.url_of(till, purchase), place="the payment page")


@router.post("/billing/portal", include_in_schema=False)
async def manage(request: Request) -> Response:
    """Lead to Stripe's page where cards, invoices and subscriptions are managed."""
    till, url = till_of(request), till_of(request).run.settings.url
    try:
        session = await require_session(request)
        address = await portal.open(till, session.user_id, return_url=url + BILLING_PATH)
    except NotSignedIn:
        return _sign_in_first(request, BILLING_PATH)
    except NoCustomer:
        return redirect(url + PRICING_PATH)
    return _lead_to(request, address, place="the billing page")


async def _find_session(request: Request) -> Session | None:
    return await sessions.find(run_of(request), web_of(request).session_secret_of(request))


def _sign_in_first(request: Request, path: str) -> Reply:
    return redirect(web_of(request).settings.url + SIGN_IN_FIRST + path)


def _number(text: object) -> object:
    """Return a form's digits as a number; whatever else it is, `parse` refuses."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 6 else text


def _page(request: Request, name: str, **words: Any) -> Reply:
    """Return a page whose forms may lead on to Stripe's pages."""
    web = web_of(request)
    return reply_page(web.pages.render(name, **words), headers=_headers(web))


def _headers(web: Web) -> list[tuple[bytes, bytes]]:
    apps = (origin for origin in web.settings.app_origins if "[" not in origin)  # CSP knows no IPv6 literals
    return security_headers(form_targets=[*apps, *stripe_pages(web.settings)], https=web.settings.is_https)


def stripe_pages(settings: Settings) -> tuple[str, ...]:
    """Return the origins that Stripe's own pages are on; a stand-in for Stripe shows them at its API's origin."""
    return STRIPE_PAGES if settings.stripe_api_base == STRIPE_API else (_origin_of(settings.stripe_api_base),)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _lead_to(request: Request, url: str, *, place: str) -> Reply:
    """Return what leads a browser on from a form of ours.

    Browsers hold the redirect to the page's `form-action`, which does not name a Checkout domain of the seller's own:
    then a page goes on by itself instead, with a link for whoever waits.
    """
    web = web_of(request)
    if _origin_of(url) in (web.settings.url, *stripe_pages(web.settings)):
        return redirect(url)
    return web.page("leaving.html", url=url, place=place)
