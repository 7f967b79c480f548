"""What an invoice is paid with. Source: docs.stripe.com/billing/subscriptions/payment-methods-setting."""

from __future__ import annotations

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part


def find_method(world: World, invoice: Obj) -> Obj | None:
    """Return what an invoice is paid with: its own default, its subscription's, or its customer's; or None."""
    subscription = part(world.find("subscription", invoice[HIDDEN].get("subscription")))
    customer = part(world.find("customer", invoice["customer"]))
    settings = part(customer.get("invoice_settings"))
    ids = [each.get("default_payment_method") for each in (invoice, subscription, settings)]
    ids += [each.get("default_source") for each in (invoice, subscription, customer)]
    for id in filter(None, ids):
        found = world.find("payment_method", id)
        if found is not None and found["customer"] == invoice["customer"]:
            return found
    return None


def no_method() -> StripeError:
    """Nothing to pay with."""
    return invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a default"
        " payment method. For more information, visit"
        " https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
        code="resource_missing",
    )
