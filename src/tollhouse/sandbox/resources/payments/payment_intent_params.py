"""What a request sets on a payment intent, and when it may."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.formats import ADDRESS
from tollhouse.sandbox.resources.payments import amounts
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.values import Obj

PLAIN: Final = (
    "capture_method", "confirmation_method", "description", "receipt_email", "setup_future_usage", "shipping",
    "statement_descriptor", "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip
REFERENCES: Final = ("customer_reference", "order_reference")
SHIPPING: Final = ("address", "carrier", "name", "phone", "tracking_number")
MANAGED_STATUSES: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
# What is decided once the money moves.
DECIDED: Final = (
    "amount", "capture_method", "currency", "customer", "payment_method", "payment_method_data",
    "payment_method_options", "payment_method_types", "allowed_payment_method_types", "setup_future_usage",
)  # fmt: skip


def read_fields(params: Params) -> dict[str, Any]:
    """Return the fields that the parameters set by their own names; an empty value clears one."""
    fields = {name: params[name] if params[name] != "" else None for name in PLAIN if name in params}
    if params.get("shipping"):
        fields["shipping"] = read_shipping(params["shipping"])
    if "payment_details" in params:
        told: Obj = params["payment_details"] or {}
        fields["payment_details"] = {name: told.get(name) or None for name in REFERENCES}
    if "amount_details" in params:
        fields["amount_details"] = _read_amount_details(params["amount_details"] or {})
    return fields


def read_shipping(given: Obj) -> Obj:
    """Return where something is sent, with every field."""
    address: Obj = given.get("address") or {}
    told = {name: given.get(name) or None for name in SHIPPING}
    return told | {"address": {name: address.get(name) or None for name in ADDRESS}}


def check_update(intent: Obj, params: Params) -> None:
    """Raise `StripeError` 400 for a change that comes too late, or to an amount that cannot be charged."""
    if intent["status"] not in MANAGED_STATUSES:
        for name in DECIDED:
            if name in params and params[name] != intent.get(name):
                raise StripeError(
                    f"This PaymentIntent's {name} could not be updated because it has a status of {intent['status']}."
                    f" You may only update the {name} of a PaymentIntent with one of the following statuses:"
                    f" {', '.join(MANAGED_STATUSES)}.",
                    code="payment_intent_unexpected_state",
                    payment_intent=intent,
                )
    if "amount" in params:
        amounts.check(params["amount"], params.get("currency", intent["currency"]).lower())


def check_connect(params: Params) -> None:
    """Raise `StripeError` 400 for what concerns connected accounts, of which a sandbox has none."""
    if params.get("application_fee_amount"):
        raise invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an"
            " OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            "application_fee_amount",
        )
    transfer: Obj = params.get("transfer_data") or {}
    account = params.get("on_behalf_of") or transfer.get("destination")
    if account:
        param = "on_behalf_of" if params.get("on_behalf_of") else "transfer_data[destination]"
        raise invalid(f"No such account: '{account}'", param, "resource_missing")


def _read_amount_details(given: Obj) -> Obj:
    told: Obj = {"tip": {}}
    if given.get("discount_amount") not in {None, ""}:
        told["discount_amount"] = given["discount_amount"]
    if given.get("shipping"):
        names = ("amount", "from_postal_code", "to_postal_code")
        told["shipping"] = {name: given["shipping"].get(name) or None for name in names}
    if given.get("tax"):
        told["tax"] = {"total_tax_amount": given["tax"].get("total_tax_amount") or None}
    return told
