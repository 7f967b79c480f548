"""Payment methods: made, found, and attached to customers. Source: docs.stripe.com/api/payment_methods."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.errors import invalid, missing, parameter_missing
from tollhouse.sandbox.resources.payments import bank_accounts, cards, declines
from tollhouse.sandbox.resources.payments import payment_method_details as details
from tollhouse.sandbox.resources.payments.cards import Card
from tollhouse.sandbox.state.world import HIDDEN, World, clock_of
from tollhouse.sandbox.values import Obj

KIND: Final = "payment_method"
TEST_BANK_PREFIX: Final = "pm_usBankAccount_"
TEST_ROUTING_NUMBER: Final = "110000000"
USED_UP: Final = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a"
    " connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use"
    " a PaymentMethod multiple times, you must attach it to a Customer first."
)


def create_card(
    world: World,
    number: str,
    *,
    exp_month: int = 12,
    exp_year: int = 2034,
    cvc: str | None = "123",
    billing_details: Obj | None = None,
) -> Obj:
    """Return a saved card that belongs to no customer.

    Raises `StripeError` 402 for what no bank would take: `incorrect_number`, `invalid_expiry_month`,
    `invalid_expiry_year`, `invalid_cvc`, and `card_declined` for a number that is not a test card's.
    """
    card = details.read_number(number)
    return _save(world, "card", details.describe_card(world, card, exp_month, exp_year, cvc), billing_details)


def create_bank_debit(
    world: World, account_number: str, *, kind: str = "us_bank_account", billing_details: Obj | None = None
) -> Obj:
    """Return a saved bank account that belongs to no customer: `us_bank_account`, or `sepa_debit` by its IBAN.

    Raises `StripeError` 400 for a number that cannot be one.
    """
    given = {"account_number": account_number, "iban": account_number, "routing_number": TEST_ROUTING_NUMBER}
    return create(world, kind, {kind: given}, billing_details)


def create(world: World, kind: str, given: Obj, billing_details: Obj | None = None) -> Obj:
    """Return a saved payment method of any type, of which `given[kind]` tells the details. Raises `StripeError`."""
    told = given.get(kind, {})
    billing = details.read_billing(billing_details)
    if kind == "card":
        if not told:
            raise parameter_missing("card")
        made = details.read_card(world, told)
    elif kind == "us_bank_account":
        made = details.read_us_bank_account(told)
    elif kind == "sepa_debit":
        if "iban" not in told:
            raise parameter_missing("sepa_debit[iban]")
        made = details.read_sepa_debit(told)
    else:
        made = details.read_other(world, kind, told, billing)
    return _save(world, kind, made, billing_details)


def _save(world: World, kind: str, made: details.Details, billing_details: Obj | None) -> Obj:
    shown, hidden = made
    method = world.new(KIND, type=kind, billing_details=details.read_billing(billing_details), metadata={})
    method |= {kind: shown, "allow_redisplay": "unspecified", HIDDEN: hidden}
    return world.save(method)


def resolve(world: World, id: str, *, param: str = "payment_method") -> Obj:
    """Return a payment method, or a new one for a test id such as `pm_card_visa` or `tok_visa`.

    Raises `resource_missing` for any other id: 404 if `param` is `id`, else 400.
    """
    found = world.find(KIND, id)
    if found is not None:
        return found
    card = details.find_test_card(id)
    if card is not None:
        return _save(world, "card", details.describe_test_card(world, card), None)
    if id.startswith(TEST_BANK_PREFIX):
        number = bank_accounts.US_NAMES.get(id.removeprefix(TEST_BANK_PREFIX))
        if number is not None:
            return create_bank_debit(world, number, billing_details={"name": "Jenny Rosen"})
    return world.get(KIND, id, param=param)


def card_of(method: Obj) -> Card | None:
    """Return the test card behind a payment method, or None when it is no card."""
    return cards.find(method[HIDDEN]["number"]) if method["type"] == "card" else None


def attach(world: World, method: Obj, customer_id: str) -> Obj:
    """Attach a payment method to a customer.

    Raises `StripeError`: 402 for a card that its bank refuses to save, 400 for a method that is another customer's,
    was used up or detached, or a customer that is not there.
    """
    customer = world.get("customer", customer_id, param="customer")
    if method["customer"] == customer_id:
        return method
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    check_usable(method)
    card = card_of(method)
    if card is not None and not card.can_be_saved:
        raise declines.refuse(declines.CARD_DECLINES[card.decline].error() | {"param": ""})
    return join(world, method, customer)


def join(world: World, method: Obj, customer: Obj) -> Obj:
    """Make a payment method the customer's, its bank having agreed already."""
    hidden: Obj = {**method[HIDDEN], "test_clock": clock_of(customer)}
    changes: Obj = {"customer": customer["id"], HIDDEN: hidden}
    if method["type"] == "card":
        changes["card"] = details.pass_checks(method["card"], method["billing_details"], hidden)
    world.change(method, changes)
    world.emit("payment_method.attached", method)
    return method


def detach(world: World, method: Obj) -> Obj:
    """Take a payment method from its customer, for good. Raises `StripeError` 400 if it has none."""
    owner = method["customer"]
    if owner is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    world.change(method, {"customer": None, HIDDEN: {**method[HIDDEN], "is_used_up": True}}, "payment_method.detached")
    customer = world.find("customer", owner)
    if customer is not None and not customer.get("deleted"):
        settings = customer["invoice_settings"]
        if settings["default_payment_method"] == method["id"]:
            changes = {"invoice_settings": {**settings, "default_payment_method": None}}
            world.change(customer, changes, "customer.updated")
    for subscription in world.every("subscription", customer=owner, default_payment_method=method["id"]):
        world.change(subscription, {"default_payment_method": None}, "customer.subscription.updated")
    return method


def check_usable(method: Obj) -> None:
    """Raise `StripeError` 400 for a payment method that was used once without a customer, or detached."""
    if method[HIDDEN].get("is_used_up"):
        raise invalid(USED_UP)


def check_owner(method: Obj, customer: str | None) -> None:
    """Raise `StripeError` 400 unless a payment of this customer, or of nobody, may use the payment method."""
    check_usable(method)
    owner = method["customer"]
    if owner is None or owner == customer:
        return
    if customer is None:
        raise invalid(
            "The payment method you provided is attached to a customer so for security purposes you must provide the"
            " customer in the request.",
            "payment_method",
        )
    raise invalid(
        f"PaymentMethod `{method['id']}` does not belong to the Customer you supplied `{customer}`. Please use this"
        " PaymentMethod with the Customer that it belongs to.",
        "payment_method",
    )


def find_of_customer(world: World, customer: str, id: str) -> Obj:
    """Return a customer's payment method. Raises `StripeError` 404 for any other."""
    world.get("customer", customer)
    method = world.find(KIND, id)
    if method is None or method["customer"] != customer:
        raise missing("PaymentMethod", id, param="payment_method")
    return method
