"""What a customer's fields may be, and what an older account may send in their place."""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.formats import ADDRESS, EMAIL
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj, is_object

PLAIN: Final = (
    "balance", "business_name", "description", "email", "individual_name", "invoice_prefix", "name",
    "next_invoice_sequence", "phone", "preferred_locales",
)  # fmt: skip
EMAIL_MAX: Final = 512
PREFIX: Final = re.compile(r"[A-Z0-9]{3,12}\Z")
UNSENT_WHEN_EMPTY: Final = ("business_name", "individual_name")


def read(world: World, customer: Obj, params: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the parameters set, checked. Raises `StripeError` 400."""
    changes = {name: params[name] if params[name] != "" else None for name in PLAIN if name in params}
    _check(world, customer, changes)
    for name in UNSENT_WHEN_EMPTY:
        if name in changes and changes[name] is None:
            changes[name] = ""
    if "address" in params:
        changes["address"] = _read_address(params["address"])
    if "shipping" in params:
        changes["shipping"] = read_shipping(params["shipping"])
    if "tax_exempt" in params:
        changes["tax_exempt"] = params["tax_exempt"] or "none"
    if "metadata" in params:
        changes["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    return changes


def read_shipping(given: Any) -> Obj | None:
    """Return a shipping address in full, or None."""
    if not is_object(given):
        return None
    return {"address": _read_address(given["address"]), "name": given["name"], "phone": given.get("phone") or None}


def read_invoice_settings(customer: Obj, given: Obj, default_payment_method: str | None) -> Obj:
    """Return the settings with the given ones set; the payment method is the caller's to find."""
    settings: Obj = dict(customer["invoice_settings"])
    for name in ("custom_fields", "footer", "rendering_options"):
        if name in given:
            settings[name] = given[name] or None
    if settings["rendering_options"]:
        settings["rendering_options"] = {
            name: settings["rendering_options"].get(name) or None for name in ("amount_tax_display", "template")
        }
    if "default_payment_method" in given:
        settings["default_payment_method"] = default_payment_method
    return settings


def locate(customer: Obj, ip_address: str | None) -> Obj:
    """Return what Stripe Tax would know of a customer; there is no tax in the sandbox, hence none collected."""
    for source, at in (("shipping_destination", customer["shipping"]), ("billing_address", customer)):
        address = at["address"] if at else None
        if address and address["country"]:
            location = {"country": address["country"], "source": source, "state": address["state"]}
            return {
                "automatic_tax": "not_collecting",
                "ip_address": ip_address,
                "location": location,
                "provider": "stripe",
            }
    return {"automatic_tax": "unrecognized_location", "ip_address": ip_address, "location": None, "provider": "stripe"}


def _read_address(given: Any) -> Obj | None:
    return {name: given.get(name) or None for name in ADDRESS} if is_object(given) else None


def _check(world: World, customer: Obj, changes: dict[str, Any]) -> None:
    email = changes.get("email")
    if email and (len(email) > EMAIL_MAX or not EMAIL.match(email)):
        raise invalid(f"Invalid email address: {email}", "email", "email_invalid")
    if "next_invoice_sequence" in changes and changes["next_invoice_sequence"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "next_invoice_sequence")
    prefix = changes.get("invoice_prefix")
    if prefix is None:
        changes.pop("invoice_prefix", None)
    elif not PREFIX.match(prefix):
        raise invalid("Invalid invoice_prefix: must be 3 to 12 capital letters or digits.", "invoice_prefix")
    elif any(each["id"] != customer["id"] for each in world.every("customer", invoice_prefix=prefix)):
        raise invalid(f"The invoice prefix {prefix} is already in use.", "invoice_prefix")
