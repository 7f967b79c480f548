"""Checkout sessions. Source: docs.stripe.com/api/checkout/sessions."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, cut_page, make_list, read_page
from tollhouse.sandbox.api.parameters import TEXTS, Earlier
from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.checkout import checkout_changes, checkout_completion, checkout_creation
from tollhouse.sandbox.resources.payments import payment_intents, setup_intents
from tollhouse.sandbox.resources.registry import Params, includable, operation
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj, part

KIND: Final = "checkout.session"
PATH: Final = "/v1/checkout/sessions"
EXPIRY: Final = "checkout_session_expiry"
RECOVERY_SECONDS: Final = 30 * DAY_SECONDS
ITEMS_EMBEDDED_MAX: Final = 10

pay = checkout_completion.pay


@operation("POST", PATH, earlier={"payment_method_types": Earlier(TEXTS), "ui_mode": Earlier()})
def create(world: World, params: Params, /) -> Obj:
    """Create a session, open until it is paid or expires."""
    session = checkout_creation.create(world, params)
    world.schedule(EXPIRY, session, session["expires_at"])
    return session


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a session."""
    return world.get(KIND, id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List sessions by what came of them, or by whom they are for."""
    equal = {name: params[name] for name in ("customer", "payment_intent", "status", "subscription") if name in params}
    email = params.get("customer_details", {}).get("email")

    def is_theirs(session: Obj) -> bool:
        return part(session["customer_details"]).get("email") == email

    return read_page(world, KIND, params, PATH, where=is_theirs if email else None, **equal)


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a session's metadata, or while it is open what it sells."""
    return checkout_changes.update(world, world.get(KIND, id), params)


@operation("POST", PATH + "/{id}/expire")
def expire_by_request(world: World, params: Params, /, *, id: str) -> Obj:
    """Let an open session expire before its time."""
    return expire(world, world.get(KIND, id))


@operation("GET", PATH + "/{id}/line_items")
def list_items(world: World, params: Params, /, *, id: str) -> Page:
    """List what is sold in a session."""
    return cut_page(world, world.get(KIND, id)[HIDDEN]["items"], params, f"{PATH}/{id}/line_items")


@includable(KIND, "line_items")
def embed_items(world: World, session: Obj) -> Any:
    """The first of what is sold."""
    items = session[HIDDEN]["items"]
    shown = items[:ITEMS_EMBEDDED_MAX]
    return make_list(shown, f"{PATH}/{session['id']}/line_items", has_more=len(items) > len(shown))


def expire(world: World, session: Obj) -> Obj:
    """End an open session, and return it. Raises `StripeError` 400 for one that is complete or expired already."""
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of'
            f" `{session['status']}`."
        )
    world.cancel(EXPIRY, session)
    after = session["after_expiration"]
    if after is not None and after["recovery"] is not None and after["recovery"]["enabled"]:
        expires_at = world.now() + RECOVERY_SECONDS
        after["recovery"] |= {"expires_at": expires_at, "url": f"{world.url}/checkout/{session['id']}"}
    _let_go(world, session)
    session |= {"status": "expired", "url": None}
    world.save(session)
    world.emit("checkout.session.expired", session)
    return session


def recover(world: World, session: Obj) -> Obj:
    """Return a new session in the place of one that expired, made from the same parameters.

    Raises `StripeError` 400 if the session offers no recovery, or no longer.
    """
    recovery = part(part(session["after_expiration"]).get("recovery"))
    if session["status"] != "expired" or not recovery.get("url") or recovery["expires_at"] <= world.now():
        raise invalid("This Checkout Session cannot be recovered.")
    params: Params = {name: each for name, each in session[HIDDEN]["given"].items() if name != "expires_at"}
    again = create(world, params)
    again["recovered_from"] = session["id"]
    again[HIDDEN]["version"] = session[HIDDEN]["version"]  # no request of the API asks for it
    return world.save(again)


@action(EXPIRY)
def expire_in_time(world: World, id: str) -> None:
    """Let a session expire that is open still."""
    session = world.find(KIND, id)
    if session is not None and session["status"] == "open":
        expire(world, session)


def _let_go(world: World, session: Obj) -> None:
    """Cancel the intent that the session had waiting for its buyer."""
    intent = world.find("payment_intent", session["payment_intent"])
    setup = world.find("setup_intent", session["setup_intent"])
    if intent is not None and intent["status"].startswith("requires_"):
        payment_intents.cancel(world, intent, "abandoned")
    if setup is not None and setup["status"].startswith("requires_"):
        setup_intents.cancel(world, setup, "abandoned")
