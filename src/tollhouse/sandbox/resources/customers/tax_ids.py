"""Tax ids, of customers and of the account, and the authorities' word on them.

Source: docs.stripe.com/api/tax_ids and docs.stripe.com/billing/customer/tax-ids.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.errors import invalid, missing
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import World, action
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/tax_ids"
CUSTOMER_PATH: Final = "/v1/customers/{id}/tax_ids"
ONE_OF_CUSTOMER: Final = "/v1/customers/{customerId}/tax_ids/{id}"
VERIFICATION_SECONDS: Final = 5
VERIFIABLE: Final = frozenset({"au_abn", "eu_vat", "gb_vat", "no_vat", "th_vat", "in_gst", "ch_uid", "is_vat"})
# Values with which the outcome is chosen; any other one is found to be right.
OUTCOMES: Final = {"000000000": "verified", "111111111": "unverified", "222222222": "pending"}
CUSTOMERS_MAX: Final = 5
VALUE: Final = re.compile(r"[A-Za-z0-9 ./&-]{2,40}\Z")
FORMS: Final = {
    "eu_vat": re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,12}\Z"),
    "us_ein": re.compile(r"[0-9]{2}-?[0-9]{7}\Z"),
    "gb_vat": re.compile(r"(GB|XI)[0-9A-Z]{5,12}\Z"),
}


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a tax id of the account, or of a customer who is named as its owner."""
    owner = params.get("owner", {"type": "self"})
    if owner["type"] not in {"self", "customer"}:
        raise invalid("The sandbox has one account: an owner is `self` or a customer.", "owner[type]")
    if owner["type"] == "self":
        return open(world, params, customer=None)
    customer = world.get("customer", owner.get("customer", ""), param="owner[customer]")
    return open(world, params, customer=customer["id"])


@operation("POST", CUSTOMER_PATH)
def create_for_customer(world: World, params: Params, /, *, id: str) -> Obj:
    """Create a tax id of a customer."""
    return open(world, params, customer=world.get("customer", id, param="customer")["id"])


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List the tax ids of the account, or of the customer named as their owner."""
    owner = params.get("owner", {"type": "self"})
    return read_page(world, "tax_id", params, PATH, customer=owner.get("customer"))


@operation("GET", CUSTOMER_PATH)
def list_of_customer(world: World, params: Params, /, *, id: str) -> Page:
    """List the tax ids of a customer."""
    world.get("customer", id)
    return read_page(world, "tax_id", params, f"/v1/customers/{id}/tax_ids", customer=id)


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a tax id."""
    return world.get("tax_id", id)


@operation("GET", ONE_OF_CUSTOMER)
def retrieve_of_customer(world: World, params: Params, /, *, customerId: str, id: str) -> Obj:
    """Return a tax id of this customer."""
    return _get_own(world, customerId, id)


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a tax id."""
    return _remove(world, world.get("tax_id", id))


@operation("DELETE", ONE_OF_CUSTOMER)
def delete_of_customer(world: World, params: Params, /, *, customerId: str, id: str) -> Obj:
    """Delete a tax id of this customer."""
    return _remove(world, _get_own(world, customerId, id))


@action("tax_id.verify")
def verify(world: World, id: str) -> None:
    """The authority answers."""
    tax_id = world.find("tax_id", id)
    if tax_id is None:
        return
    status = OUTCOMES.get(_digits(tax_id["value"]), "verified")
    words = {"verified_name": "TEST COMPANY", "verified_address": "1 Test Street"} if status == "verified" else {}
    world.change(tax_id, {"verification": _verification(status) | words}, "customer.tax_id.updated")


def open(world: World, given: Obj, *, customer: str | None) -> Obj:
    """Return a new tax id of a customer, or of the account: saved, and told of.

    `given` has `type` and `value`. A European one is verified a little later. Raises `StripeError` 400
    `tax_id_invalid`.
    """
    kind, value = given["type"], given["value"].strip()
    check(kind, value)
    if customer is not None and len(world.every("tax_id", customer=customer)) >= CUSTOMERS_MAX:
        raise invalid(f"A customer has at most {CUSTOMERS_MAX} tax IDs.", "value")
    owner: Obj = {"customer_account": None, "type": "self" if customer is None else "customer"}
    if customer is not None:
        owner["customer"] = customer
    tax_id = world.new("tax_id", type=kind, value=value, customer=customer, owner=owner, country=_country(kind, value))
    if customer is not None:
        tax_id["verification"] = _verification("pending" if kind in VERIFIABLE else "unavailable")
    world.save(tax_id)
    if customer is not None:
        world.emit("customer.tax_id.created", tax_id)
        if kind in VERIFIABLE and OUTCOMES.get(_digits(value)) != "pending":
            world.schedule("tax_id.verify", tax_id, world.now() + VERIFICATION_SECONDS)
    return tax_id


def check(kind: str, value: str) -> None:
    """Raise `StripeError` 400 `tax_id_invalid` for a value that no tax id of this kind has."""
    if _digits(value) not in OUTCOMES and not FORMS.get(kind, VALUE).match(value):
        raise invalid(f"Invalid value for {kind}.", "value", "tax_id_invalid")


def _digits(value: str) -> str:
    return "".join(each for each in value if each.isdigit())


def _country(kind: str, value: str) -> str | None:
    """Return the country of a kind of tax id: in its name, or for Europe in the value."""
    prefix = kind.partition("_")[0].upper()
    if prefix != "EU":
        return prefix
    country = value[:2].upper().replace("EL", "GR")
    return country if country.isalpha() and kind == "eu_vat" else None


def _verification(status: str) -> dict[str, Any]:
    return {"status": status, "verified_address": None, "verified_name": None}


def _get_own(world: World, customer: str, id: str) -> Obj:
    world.get("customer", customer, param="customer")
    tax_id = world.get("tax_id", id)
    if tax_id["customer"] != customer:
        raise missing("tax_id", id)
    return tax_id


def _remove(world: World, tax_id: Obj) -> Obj:
    world.cancel("tax_id.verify", tax_id)
    return world.remove(tax_id, None if tax_id["customer"] is None else "customer.tax_id.deleted")
