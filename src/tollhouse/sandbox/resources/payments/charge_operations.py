"""The operations on charges, among them charging by itself as it was done before payment intents.

Source: docs.stripe.com/api/charges.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing
from tollhouse.sandbox.resources.catalogue.price_terms import read_currency
from tollhouse.sandbox.resources.payments import amounts, charges, declines, disputes, payment_methods, refunds
from tollhouse.sandbox.resources.payments.payment_intent_params import check_connect, read_shipping
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World, action, clock_of, merge_metadata
from tollhouse.sandbox.values import Obj

KIND: Final = charges.KIND
PATH: Final = "/v1/charges"
EXPIRY: Final = "charge_expiry"
FIELDS: Final = (
    "description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip


@operation("POST", PATH, earlier=("card",))
def create(world: World, params: Params, /) -> Obj:
    """Charge a card at once, without an intent."""
    check_connect(params)
    for name in ("amount", "currency"):
        if name not in params:
            raise parameter_missing(name)
    currency = read_currency(params["currency"])
    amounts.check(params["amount"], currency)
    method = _find_source(world, params)
    customer = world.find("customer", params.get("customer")) or {}
    charge = charges.draw_up(
        world,
        method,
        amount=params["amount"],
        currency=currency,
        hidden={"test_clock": clock_of(customer)},
        customer=params.get("customer"),
        shipping=read_shipping(params["shipping"]) if params.get("shipping") else None,
        metadata=merge_metadata(None, params.get("metadata")),
        **{name: params.get(name) or None for name in FIELDS},
    )
    charge["source"] = _show_source(method)
    return _decide(world, charge, method, is_held=params.get("capture") is False)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search."""
    return search(world, KIND, params, PATH + "/search")


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a charge."""
    return world.get(KIND, id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List charges, by whom or what they are for."""
    names = ("customer", "payment_intent", "transfer_group")
    return read_page(world, KIND, params, PATH, **{name: params[name] for name in names if name in params})


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change what is told about a charge."""
    charge = world.get(KIND, id)
    changes: Obj = {name: params[name] or None for name in FIELDS if name in params}
    if "customer" in params:
        if charge["customer"] not in {None, params["customer"]}:
            raise invalid("You cannot change the customer of a charge that has one.", "customer")
        changes["customer"] = world.get("customer", params["customer"], param="customer")["id"]
    if "shipping" in params:
        changes["shipping"] = read_shipping(params["shipping"])
    if "fraud_details" in params:
        report = params["fraud_details"]["user_report"]
        changes["fraud_details"] = {"user_report": report} if report else {}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    return world.change(charge, changes, "charge.updated")


@operation("POST", PATH + "/{id}/capture")
def capture(world: World, params: Params, /, *, id: str) -> Obj:
    """Take what a charge without an intent holds, or a part of it."""
    charge = world.get(KIND, id)
    if charge["payment_intent"] is not None:
        raise invalid(
            "This charge was created by a PaymentIntent: capture that instead.", code="charge_invalid_parameter"
        )
    if charge["captured"]:
        raise invalid(f"Charge {id} has already been captured.", code="charge_already_captured")
    if charge["refunded"] or charge["status"] != "succeeded":
        raise invalid(f"Charge {id} cannot be captured any more.", code="charge_expired_for_capture")
    amount: int = params.get("amount", charge["amount"])
    if not 1 <= amount <= charge["amount"]:
        raise invalid("The amount to capture must be between 1 and the amount of the charge.", "amount")
    world.cancel(EXPIRY, charge)
    world.change(charge, {name: params[name] or None for name in FIELDS if name in params})
    charges.capture(world, charge, amount)
    if amount < charge["amount"]:
        refunds.release(world, charge, charge["amount"] - amount)
    return charge


@action(EXPIRY)
def expire(world: World, id: str) -> None:
    """What was held for a week without a capture is given up."""
    charge = world.find(KIND, id)
    if charge is not None and not charge["captured"] and not charge["refunded"]:
        world.emit("charge.expired", charge)
        refunds.release(world, charge, charge["amount"], reason="expired_uncaptured_charge")


def _find_source(world: World, params: Params) -> Obj:
    """Return the card to charge: the one that is given, or the customer's own."""
    customer = world.get("customer", params["customer"], param="customer") if params.get("customer") else None
    given = params.get("source") or params.get("card")
    if given is None:
        given = None if customer is None else customer["default_source"]
    if given is None:
        if customer is None:
            raise invalid("Must provide source or customer.")
        raise StripeError(
            "Cannot charge a customer that has no active card",
            status=402,
            type="card_error",
            code="missing",
            param="card",
        )
    method = payment_methods.resolve(world, given, param="source")
    payment_methods.check_owner(method, params.get("customer"))
    if method["type"] != "card":
        raise invalid("Only cards can be charged without a PaymentIntent.", "source")
    return method


def _decide(world: World, charge: Obj, method: Obj, *, is_held: bool) -> Obj:
    card = payment_methods.card_of(method)
    assert card is not None, "the source was found to be one"
    if card.decline or card.challenge in {"always", "first"}:
        decline = declines.CARD_DECLINES[card.decline or "authentication_required"]
        charges.fail(world, charge, decline)
        raise declines.refuse(decline.error(), charge=charge["id"])
    charges.succeed(world, charge, is_held=is_held)
    if method["customer"] is None:
        world.change(method, {HIDDEN: {**method[HIDDEN], "is_used_up": True}})
    if is_held:
        world.schedule(EXPIRY, charge, charge["created"] + charges.AUTHORIZATION_SECONDS)
    elif card.dispute:
        disputes.open(world, charge, reason=card.dispute, is_inquiry=card.is_inquiry)
    return charge


def _show_source(method: Obj) -> Obj:
    """Return a card as charges without an intent name it."""
    card, billing = method["card"], method["billing_details"]
    address: Obj = billing["address"] or {}
    taken = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    checks: Obj = card["checks"]
    return {name: card[name] for name in taken} | {
        "id": "card_" + method["id"].removeprefix("pm_"),
        "object": "card",
        "address_city": address.get("city"),
        "address_country": address.get("country"),
        "address_line1": address.get("line1"),
        "address_line1_check": checks["address_line1_check"],
        "address_line2": address.get("line2"),
        "address_state": address.get("state"),
        "address_zip": address.get("postal_code"),
        "address_zip_check": checks["address_postal_code_check"],
        "customer": method["customer"],
        "cvc_check": checks["cvc_check"],
        "dynamic_last4": None,
        "metadata": {},
        "name": billing["name"],
        "tokenization_method": None,
        "wallet": None,
    }
