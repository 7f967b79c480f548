"""Customers. Source: docs.stripe.com/api/customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, make_list, read_page
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import invalid, missing
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.customers import customer_balances, tax_ids
from tollhouse.sandbox.resources.customers import customer_fields as fields
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.registry import Params, includable, operation
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

Follower = Callable[[World, Obj], None]

PATH: Final = "/v1/customers"
CLOCK_CUSTOMERS_MAX: Final = 3  # docs.stripe.com/billing/testing/test-clocks
NO_METHOD: Final = (
    "The customer does not have a payment method with the ID {}. The payment method must be attached to the customer."
)

_followers: list[Follower] = []


def follow_deletion(function: Follower) -> Follower:
    """Call the function with each customer that is about to be deleted, in the same transaction."""
    _followers.append(function)
    return function


@operation("POST", PATH, earlier=("coupon", "promotion_code"))
def create(world: World, params: Params, /) -> Obj:
    """Create a customer; with a test clock it lives in that clock's time."""
    clock = params.get("test_clock")
    if clock:
        _check_clock(world, clock)
    customer = world.new("customer", test_clock=clock or None, next_invoice_sequence=1, delinquent=False)
    customer |= {"preferred_locales": [], "invoice_prefix": world.ids.text(8).upper(), "tax_exempt": "none", HIDDEN: {}}
    customer |= fields.read(world, customer, params)
    world.save(customer)  # so that what belongs to it finds it
    customer |= _add_methods(world, customer, params) | _keep_hidden(customer, params)
    world.save(customer)
    world.emit("customer.created", customer)
    customer_balances.note(world, customer, "initial", customer["balance"] or 0, customer["balance"] or 0)
    for each in params.get("tax_id_data", ()):
        tax_ids.open(world, each, customer=customer["id"])
    _apply_discount(world, customer, params)
    return world.get("customer", customer["id"])


@operation("POST", PATH + "/{id}", earlier=("coupon", "promotion_code"))
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a customer."""
    customer = world.get("customer", id)
    changes = fields.read(world, customer, params) | _add_methods(world, customer, params)
    if "default_source" in params:
        changes["default_source"] = _find_own(world, customer, params["default_source"], "default_source")
    balance: int = customer["balance"] or 0
    world.change(customer, changes | _keep_hidden(customer, params), "customer.updated")
    left: int = customer["balance"] or 0
    customer_balances.note(world, customer, "adjustment", left - balance, left)
    _apply_discount(world, customer, params)
    return world.get("customer", id)


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a customer, or what stands in the place of a deleted one."""
    return world.find("customer", id) or world.get("customer", id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List customers, by e-mail address exactly as it was given; those of a test clock only when it is named."""
    equal = {"test_clock": params.get("test_clock")} | {name: params[name] for name in ("email",) if name in params}
    return read_page(world, "customer", params, PATH, **equal)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search customers."""
    return search(world, "customer", params, PATH + "/search")


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a customer; its subscriptions end at once."""
    customer = world.get("customer", id)
    for follow in _followers:
        follow(world, customer)
    customer = world.get("customer", id)
    for each in world.every("tax_id", customer=id):
        world.remove(each, "customer.tax_id.deleted")
    return world.remove(customer, "customer.deleted", leaves_trace=True)


@operation("DELETE", PATH + "/{id}/discount")
def delete_discount(world: World, params: Params, /, *, id: str) -> Obj:
    """Take a customer's discount back."""
    customer = world.get("customer", id)
    if customer["discount"] is None:
        raise missing("discount", id)
    return _drop_discount(world, customer)


@includable("customer", "subscriptions")
def subscriptions(world: World, customer: Obj) -> Page:
    """The customer's living subscriptions."""
    ended = {"canceled", "incomplete_expired"}
    living = [each for each in world.every("subscription", customer=customer["id"]) if each["status"] not in ended]
    return make_list(living, f"{PATH}/{customer['id']}/subscriptions")


@includable("customer", "tax_ids")
def list_tax_ids(world: World, customer: Obj) -> Page:
    """The customer's tax ids."""
    return make_list(world.every("tax_id", customer=customer["id"]), f"{PATH}/{customer['id']}/tax_ids")


@includable("customer", "sources")
def sources(world: World, customer: Obj) -> Page:
    """The card given as a `source`; others are payment methods, which Stripe does not list here either."""
    card = default_source(world, customer)
    return make_list([] if card is None else [card], f"{PATH}/{customer['id']}/sources")


@includable("customer", "default_source")
def default_source(world: World, customer: Obj) -> Obj | None:
    """The card given as a `source`. In the sandbox it is a payment method, and shown here in the older form."""
    method = world.find("payment_method", customer["default_source"])
    if method is None or method["type"] != "card":
        return None
    names = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    card = {name: method["card"].get(name) for name in names}
    return {"id": method["id"], "object": "card", "customer": customer["id"], "metadata": method["metadata"], **card}


@includable("customer", "tax")
def tax(world: World, customer: Obj) -> Obj:
    """What is known for automatic tax."""
    own = world.find("customer", customer["id"]) or customer
    return fields.locate(own, own.get(HIDDEN, {}).get("ip_address"))


@includable("customer", "invoice_credit_balance")
def invoice_credit_balance(world: World, customer: Obj) -> Obj:
    """The credit by currency: what the balance owes the customer."""
    if customer["balance"] >= 0 or customer["currency"] is None:
        return {}
    return {customer["currency"]: customer["balance"]}


@includable("customer", "cash_balance")
def cash_balance(world: World, customer: Obj) -> None:
    """Nobody sends money to a sandbox."""
    return


def _check_clock(world: World, id: str) -> None:
    """Raise `StripeError` 400 unless a test clock is there and has room for a further customer."""
    world.get("test_helpers.test_clock", id, param="test_clock")
    if len(world.every("customer", test_clock=id)) >= CLOCK_CUSTOMERS_MAX:
        raise invalid(
            f"You have reached the limit of {CLOCK_CUSTOMERS_MAX} customers for this test clock. Create another test"
            " clock, or delete one of its customers.",
            "test_clock",
        )


def _add_methods(world: World, customer: Obj, params: Params) -> dict[str, Any]:
    """Attach the payment methods that come with a request; return the fields that name them."""
    changes: dict[str, Any] = {}
    given = params.get("invoice_settings", {})
    asked = given.get("default_payment_method")
    own: str | None = None
    if params.get("payment_method"):
        method = payment_methods.resolve(world, params["payment_method"])
        method = payment_methods.attach(world, method, customer["id"])
        # A test id names a new payment method each time: both parameters are to mean the same one.
        own = method["id"] if asked == params["payment_method"] else None
    if asked and own is None:
        own = _find_own(world, customer, asked, "invoice_settings[default_payment_method]")
    if params.get("source"):
        method = payment_methods.resolve(world, params["source"], param="source")
        changes["default_source"] = payment_methods.attach(world, method, customer["id"])["id"]
    if given:
        changes["invoice_settings"] = fields.read_invoice_settings(customer, given, own)
    return changes


def _find_own(world: World, customer: Obj, id: str, param: str) -> str:
    """Return the id of a payment method that the customer has."""
    method = payment_methods.resolve(world, id, param=param)
    if method["customer"] != customer["id"]:
        error = missing("PaymentMethod", id, param=param, status=400)
        error.fields["message"] = NO_METHOD.format(id)
        raise error
    return id


def _keep_hidden(customer: Obj, params: Params) -> dict[str, Any]:
    """Return what Stripe is told and does not show unless it is asked."""
    if "tax" not in params:
        return {}
    return {HIDDEN: {**customer.get(HIDDEN, {}), "ip_address": params["tax"].get("ip_address") or None}}


def _apply_discount(world: World, customer: Obj, params: Params) -> None:
    """Give the customer the discount that earlier versions' parameters ask for, or take its own back."""
    if params.get("coupon") == "" and customer["discount"] is not None:
        _drop_discount(world, customer)
        return
    if params.get("promotion_code"):
        asked = discounts.read_code(world, params["promotion_code"], customer=customer["id"])
    elif params.get("coupon"):
        asked = discounts.read_coupon(world, params["coupon"])
    else:
        return
    old: Obj | None = customer["discount"]
    new = discounts.create(
        world, asked.coupon, customer=customer["id"], promotion_code=asked.promotion_code, replaces=old
    )
    if old is not None:
        world.remove(old)
    world.change(customer, {"discount": new})


def _drop_discount(world: World, customer: Obj) -> Obj:
    gone = discounts.remove(world, customer["discount"])
    world.change(customer, {"discount": None})
    return gone
