"""How a Checkout session is paid, in each of its modes.

Source: docs.stripe.com/payments/checkout/how-checkout-works.
"""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing
from tollhouse.sandbox.resources.billing import subscriptions
from tollhouse.sandbox.resources.billing.subscription_starts import INVOICE_SETTINGS
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.checkout import checkout_buyer
from tollhouse.sandbox.resources.checkout.checkout_outcomes import KIND, LINK, complete, find_intent
from tollhouse.sandbox.resources.checkout.checkout_totals import choose_discounts
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.payments import payment_intents, payment_methods, setup_intents
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

INTENT_FIELDS: Final = (
    "capture_method", "description", "receipt_email", "setup_future_usage", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip
SUBSCRIPTION_FIELDS: Final = (
    "billing_cycle_anchor", "billing_cycle_anchor_config", "billing_mode", "description", "proration_behavior",
    "trial_settings",
)  # fmt: skip


def pay(
    world: World,
    session: Obj,
    method: Obj | None = None,
    *,
    details: Obj | None = None,
    return_url: str | None = None,
) -> Obj:
    """Pay an open session with a payment method, and return it: complete, or open while a challenge waits.

    `method` may be missing when nothing is to be paid; `details` are described at `checkout_buyer.take_details`;
    `return_url` is where a challenge leads back to. Raises `StripeError` 402 for a decline, and the session stays open;
    400 if it is not open any more, so that paying twice completes it once.
    """
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is not open: its status is `{session['status']}`.")
    _check_method(session, method)
    checkout_buyer.take_details(world, session, method, details or {})
    choose_discounts(world, session, _ask_again(session))  # they may have been used up in the meantime
    customer = checkout_buyer.find_customer(world, session)
    world.save(session)
    back = return_url or f"{world.url}/checkout/{session['id']}/return"
    if session["mode"] == "subscription":
        assert customer is not None
        _subscribe(world, session, customer, method, back)
    elif session["mode"] == "setup":
        assert method is not None
        _set_up(world, session, customer, method, back)
    else:
        _charge(world, session, customer, method, back)
    return world.get(KIND, session["id"])


def needs_method(session: Obj) -> bool:
    """Say whether a session cannot be completed without a payment method."""
    if session["mode"] == "payment":
        return session["amount_total"] > 0
    return session["mode"] == "setup" or session["amount_total"] > 0 or session["payment_method_collection"] == "always"


def _ask_again(session: Obj) -> list[Obj]:
    """Return the session's discounts as a request would ask for them."""
    return [
        {"promotion_code": each["promotion_code"]} if each["promotion_code"] else {"coupon": each["coupon"]}
        for each in session["discounts"] or ()
    ]


def _check_method(session: Obj, method: Obj | None) -> None:
    if method is None:
        if needs_method(session):
            raise parameter_missing("payment_method")
    elif method["type"] not in session["payment_method_types"]:
        raise invalid(
            f'The payment method type "{method["type"]}" is not allowed for this Checkout Session, which takes:'
            f" {', '.join(session['payment_method_types'])}.",
            "payment_method",
        )


# Payment mode.


def _charge(world: World, session: Obj, customer: Obj | None, method: Obj | None, back: str) -> None:
    if session["amount_total"] == 0:
        complete(world, session, "no_payment_required")
        return
    assert method is not None
    intent = world.find("payment_intent", session["payment_intent"])
    if intent is None:
        intent = _open_intent(world, session, customer)
        session["payment_intent"] = intent["id"]
        world.save(session)
    elif intent["amount"] != session["amount_total"]:
        intent["amount"] = session["amount_total"]
        world.save(intent)
    payment_intents.confirm(world, intent, method, return_url=back)


def _open_intent(world: World, session: Obj, customer: Obj | None) -> Obj:
    data: Obj = session[HIDDEN]["given"].get("payment_intent_data", {})
    fields: dict[str, Any] = {name: data[name] for name in INTENT_FIELDS if name in data}
    shipping = session["collected_information"]["shipping_details"]
    if shipping is not None:
        fields["shipping"] = shipping
    return payment_intents.open(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=None if customer is None else customer["id"],
        hidden={LINK: session["id"]},
        metadata=merge_metadata(None, data.get("metadata"), "payment_intent_data[metadata]"),
        payment_method_types=session["payment_method_types"],
        **fields,
    )


# Subscription mode.


def _subscribe(world: World, session: Obj, customer: Obj, method: Obj | None, back: str) -> None:
    subscription = world.find("subscription", session[HIDDEN]["subscription"])
    if method is not None and method["customer"] != customer["id"]:
        method = payment_methods.attach(world, method, customer["id"])
    if subscription is None:
        subscription = _start(world, session, customer, method)
        session[HIDDEN]["subscription"] = subscription["id"]
        world.save(session)
    else:
        assert method is not None, "a first attempt that failed was not for nothing"
        subscription = world.change(subscription, {"default_payment_method": method["id"]})
        invoice = world.get("invoice", subscription["latest_invoice"])
        invoices.pay(world, invoice, method, off_session=False)
    _conclude(world, world.get(KIND, session["id"]), back)


def _start(world: World, session: Obj, customer: Obj, method: Obj | None) -> Obj:
    data: Obj = session[HIDDEN]["given"].get("subscription_data", {})
    items = [{"price": item["price"], "quantity": item["quantity"]} for item in session[HIDDEN]["items"]]
    settings = {name: value or None for name, value in data.get("invoice_settings", {}).items()}
    return subscriptions.start(
        world,
        customer,
        items,
        trial_days=data.get("trial_period_days"),
        trial_end=data.get("trial_end"),
        payment_method=None if method is None else method["id"],
        discounts=discounts.read_asked(world, _ask_again(session), customer=customer["id"]),
        metadata=merge_metadata(None, data.get("metadata"), "subscription_data[metadata]"),
        hidden={LINK: session["id"]},
        version=session[HIDDEN].get("version"),
        invoice_settings=INVOICE_SETTINGS | settings,
        **{name: data[name] for name in SUBSCRIPTION_FIELDS if name in data},
    )


def _conclude(world: World, session: Obj, back: str) -> None:
    """Complete a session whose subscription runs; raise what its first payment failed of."""
    if session["status"] != "open":
        return  # the intent's outcome has done it
    subscription = world.get("subscription", session[HIDDEN]["subscription"])
    invoice = world.find("invoice", subscription["latest_invoice"])
    intent = find_intent(world, session)
    if subscription["status"] in {"active", "trialing"}:
        is_paid = invoice is None or invoice["status"] == "paid"
        owed = session["amount_total"] > 0
        complete(world, session, ("paid" if is_paid else "unpaid") if owed else "no_payment_required")
    elif intent is not None and intent["status"] == "requires_action":
        intent["next_action"]["redirect_to_url"]["return_url"] = back
        world.save(intent)
    else:
        failure: Obj = ({} if intent is None else intent["last_payment_error"]) or {}
        raise _decline(failure, intent)


def _decline(failure: Obj, intent: Obj | None) -> StripeError:
    """Return the error that a payment method was declined with."""
    told = {name: failure[name] for name in ("decline_code", "payment_method", "charge") if failure.get(name)}
    return StripeError(
        failure.get("message", "Your card was declined."),
        status=402,
        type="card_error",
        code=failure.get("code", "card_declined"),
        keeps_effects=True,
        payment_intent=intent,
        **told,
    )


# Setup mode.


def _set_up(world: World, session: Obj, customer: Obj | None, method: Obj, back: str) -> None:
    intent = world.get("setup_intent", session["setup_intent"])
    if customer is not None and intent["customer"] is None:
        intent["customer"] = customer["id"]
        world.save(intent)
    setup_intents.confirm(world, intent, method, return_url=back)
