"""What comes of a Checkout session once it was paid, at once or days later.

Source: docs.stripe.com/checkout/fulfillment.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.payments import payment_intents, setup_intents
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

KIND: Final = "checkout.session"
LINK: Final = "checkout_session"  # under which intents and subscriptions keep their session


def find_intent(world: World, session: Obj) -> Obj | None:
    """Return the payment or setup intent of a session's last attempt, or None before the first one."""
    if session["mode"] == "setup":
        return world.find("setup_intent", session["setup_intent"])
    if session["mode"] == "payment":
        return world.find("payment_intent", session["payment_intent"])
    subscription = world.find("subscription", session[HIDDEN]["subscription"])
    invoice = None if subscription is None else world.find("invoice", subscription["latest_invoice"])
    return None if invoice is None else world.find("payment_intent", invoice[HIDDEN].get("payment_intent"))


@payment_intents.follow
def follow_payment(world: World, intent: Obj, outcome: str) -> None:
    """Complete the session of a payment, or tell how a debit ended that was under way."""
    session = _linked(world, intent)
    if session is None:
        return
    if session["status"] == "complete":
        _settle(world, session, outcome)
    elif session["status"] == "open" and outcome in {"succeeded", "processing", "requires_capture"}:
        if session["mode"] == "subscription" and session[HIDDEN]["subscription"] is None:
            return  # it is being started, and the session completed when it is
        complete(world, session, "paid" if outcome == "succeeded" else "unpaid")


@setup_intents.follow
def follow_setup(world: World, intent: Obj, outcome: str) -> None:
    """Complete the session of a payment method that was set up."""
    session = _linked(world, intent)
    if session is not None and session["status"] == "open" and outcome == "succeeded":
        complete(world, session, "no_payment_required")


def _linked(world: World, intent: Obj) -> Obj | None:
    return world.find(KIND, intent.get(HIDDEN, {}).get(LINK))


def _settle(world: World, session: Obj, outcome: str) -> None:
    """Tell what came of a payment that was not certain when the session was completed."""
    if session["payment_status"] != "unpaid":
        return
    if outcome == "succeeded":
        session["payment_status"] = "paid"
        _draw_invoice(world, session)
        world.save(session)
        if session[HIDDEN]["is_delayed"]:
            world.emit("checkout.session.async_payment_succeeded", session)
    elif outcome == "payment_failed":
        world.emit("checkout.session.async_payment_failed", session)


def complete(world: World, session: Obj, payment_status: str) -> None:
    """Complete an open session, and tell it."""
    world.cancel("checkout_session_expiry", session)
    session["customer"] = session["customer"] or session[HIDDEN].get("customer")
    session |= {"status": "complete", "payment_status": payment_status, "url": None}
    intent = find_intent(world, session)
    session[HIDDEN]["is_delayed"] = intent is not None and intent["status"] == "processing"
    if session["mode"] == "payment":
        _redeem(world, session)
        _draw_invoice(world, session)
    elif session["mode"] == "subscription":
        subscription = world.get("subscription", session[HIDDEN]["subscription"])
        session |= {"subscription": subscription["id"], "invoice": subscription["latest_invoice"]}
    world.save(session)
    world.emit("checkout.session.completed", session)


def _redeem(world: World, session: Obj) -> None:
    """Turn the session's coupons into discounts."""
    for each in session["discounts"] or ():
        discounts.create(
            world,
            world.get("coupon", each["coupon"], param="discounts"),
            customer=session["customer"],
            checkout_session=session["id"],
            promotion_code=each["promotion_code"],
        )


def _draw_invoice(world: World, session: Obj) -> None:
    """Draw the invoice of a payment that was made, as `invoice_creation` asked for it."""
    if (
        session["mode"] != "payment"
        or session["payment_status"] != "paid"
        or not session["invoice_creation"]["enabled"]
    ):
        return
    data: Obj = session["invoice_creation"]["invoice_data"]
    lines = [{"price": item["price"], "quantity": item["quantity"]} for item in session[HIDDEN]["items"]]
    invoice = invoices.for_payment(
        world,
        world.get("customer", session["customer"], param="customer"),
        lines,
        intent=world.get("payment_intent", session["payment_intent"]),
        discounts=[each["id"] for each in world.every("discount", checkout_session=session["id"])],
        metadata=data["metadata"],
        **{name: data[name] for name in ("custom_fields", "description", "footer") if data[name]},
    )
    session["invoice"] = invoice["id"]
