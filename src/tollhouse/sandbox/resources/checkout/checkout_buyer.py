"""Who buys in a Checkout session: what they told of themselves, and the customer they are or become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tollhouse.sandbox.errors import invalid, parameter_unknown
from tollhouse.sandbox.formats import ADDRESS
from tollhouse.sandbox.resources.checkout.checkout_creation import choose_shipping
from tollhouse.sandbox.resources.checkout.checkout_fields import customer_details
from tollhouse.sandbox.resources.checkout.checkout_items import set_quantity
from tollhouse.sandbox.resources.checkout.checkout_totals import check_amount, reckon
from tollhouse.sandbox.resources.customers import customers, tax_ids
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_list, is_object, part

# Whose purchase it is when it is paid without a page and nobody gave an address.
EMAIL_USUAL: Final = "buyer@example.com"


def take_details(world: World, session: Obj, method: Obj | None, details: Obj) -> None:
    """Write down in the session what its buyer told; the session is not saved yet.

    `details` may have `email`, `name`, `phone`, `address`, `tax_ids` (`[{"type", "value"}]`), `shipping` (`{"name",
    "address"}`), `shipping_rate` (an id), `quantities` and `custom_fields` (values by id and key), and `consent`.
    Raises `StripeError` 400 for what is of another shape, and for choices that the session does not allow.
    """
    _check(world, details)
    billing: Obj = {} if method is None else method["billing_details"]
    known = part(session["customer_details"]) if is_known(session) else {}
    session["customer_details"] = customer_details() | {
        "email": known.get("email") or details.get("email") or billing.get("email") or EMAIL_USUAL,
        "name": details.get("name") or billing.get("name"),
        "phone": details.get("phone"),
        "address": _address(details.get("address") or billing.get("address") or {}),
        "tax_exempt": known.get("tax_exempt") or "none",
        "tax_ids": [{"type": each["type"], "value": each["value"]} for each in details.get("tax_ids") or ()],
    }
    for field in session["custom_fields"]:
        if field["key"] in details.get("custom_fields", {}):
            field[field["type"]]["value"] = details["custom_fields"][field["key"]]
    if session["consent_collection"] is not None:
        session["consent"] = {"promotions": None, "terms_of_service": None} | details.get("consent", {})
    if "shipping" in details:
        address = _address(details["shipping"]["address"])
        session["collected_information"]["shipping_details"] = {**details["shipping"], "address": address}
    _choose(world, session, details)


def is_known(session: Obj) -> bool:
    """Say whether the session was created for somebody whose e-mail address is settled."""
    is_named = session["customer"] is not None or session["customer_email"] is not None
    return is_named and bool(part(session["customer_details"]).get("email"))


def find_customer(world: World, session: Obj) -> Obj | None:
    """Return the session's customer, made if it needs one, or None for a guest."""
    id = session["customer"] or session[HIDDEN].get("customer")
    if id is not None:
        return _update_customer(world, world.get("customer", id, param="customer"), session)
    if not _needs_customer(session):
        return None
    customer = customers.create(world, _customer_params(session))
    session[HIDDEN]["customer"] = customer["id"]
    for each in session["customer_details"]["tax_ids"] or ():
        tax_ids.open(world, each, customer=customer["id"])
    return customer


def _check(world: World, details: Obj) -> None:
    """Raise `StripeError` 400 for details of another shape than `take_details` names, and for unknown tax ids."""
    for name, value in details.items():
        if name not in SHAPES:
            raise parameter_unknown(f"details[{name}]")
        if value is not None and not SHAPES[name](value):
            raise invalid(f"Invalid {name}: {value!r}", f"details[{name}]")
    kinds = world.description.schemas["tax_id"]["properties"]["type"]["enum"]
    for each in details.get("tax_ids") or ():
        if each["type"] not in kinds:
            raise invalid(f"There is no such kind of tax ID: {each['type']}", "details[tax_ids]")
        tax_ids.check(each["type"], each["value"])


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_shipping(value: Any) -> bool:
    return is_object(value) and _is_text(value.get("name")) and _are_texts(value.get("address"))


def _are_texts(value: Any) -> bool:
    return is_object(value) and all(each is None or _is_text(each) for each in value.values())


def _are_quantities(value: Any) -> bool:
    return is_object(value) and all(type(each) is int for each in value.values())


def _are_tax_ids(value: Any) -> bool:
    return is_list(value) and all(
        is_object(each) and {"type", "value"} == each.keys() and all(map(_is_text, each.values())) for each in value
    )


SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "email": _is_text,
    "name": _is_text,
    "phone": _is_text,
    "shipping_rate": _is_text,
    "address": _are_texts,
    "custom_fields": _are_texts,
    "consent": _are_texts,
    "shipping": _is_shipping,
    "quantities": _are_quantities,
    "tax_ids": _are_tax_ids,
}


def _choose(world: World, session: Obj, details: Obj) -> None:
    """Set quantities and the way of shipping, and reckon anew if they changed anything."""
    if session["mode"] == "setup":
        return
    before = session["amount_total"]
    for item in session[HIDDEN]["items"]:
        wanted = details.get("quantities", {}).get(item["id"], item["quantity"])
        if wanted != item["quantity"]:
            set_quantity(item, wanted)
    if "shipping_rate" in details:
        option = next((o for o in session["shipping_options"] if o["shipping_rate"] == details["shipping_rate"]), None)
        if option is None:
            raise invalid("This way of shipping is not offered.", "shipping_rate")
        choose_shipping(session, option)
    reckon(world, session)
    if session["amount_total"] != before:
        check_amount(session)


def _needs_customer(session: Obj) -> bool:
    if session["mode"] == "subscription" or session["customer_creation"] == "always":
        return True
    will_be_used = session[HIDDEN]["given"].get("payment_intent_data", {}).get("setup_future_usage")
    return session["mode"] == "payment" and bool(will_be_used or session["invoice_creation"]["enabled"])


def _customer_params(session: Obj) -> Params:
    details: Obj = session["customer_details"]
    params: dict[str, Any] = {name: details[name] for name in ("email", "name", "phone") if details[name]}
    if any(details["address"].values()):
        params["address"] = details["address"]
    shipping = session["collected_information"]["shipping_details"]
    if shipping is not None:
        params["shipping"] = shipping
    return params


def _update_customer(world: World, customer: Obj, session: Obj) -> Obj:
    """Let what the buyer told reach the customer, as far as the session was created to do so."""
    wanted = session[HIDDEN]["given"].get("customer_update", {})
    params = _customer_params(session)
    changes = {
        name: params[name] for name in ("name", "address", "shipping") if wanted.get(name) == "auto" and name in params
    }
    if customer["email"] is None or session["customer"] is None:
        changes["email"] = params["email"]  # of a customer that an earlier attempt made, too
    return world.change(customer, changes, "customer.updated") if changes else customer


def _address(given: Obj) -> Obj:
    return dict.fromkeys(ADDRESS) | {name: given[name] or None for name in ADDRESS if name in given}
