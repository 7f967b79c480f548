"""Trials: their warning and their end. Source: docs.stripe.com/billing/subscriptions/trials."""

from __future__ import annotations

from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.state.world import World, action
from tollhouse.sandbox.values import Obj, part


@action("subscription.warn")
def warn(world: World, id: str) -> None:
    """Tell three days before a trial ends."""
    subscription = world.find("subscription", id)
    if subscription is not None and subscription["status"] == "trialing":
        world.emit("customer.subscription.trial_will_end", subscription)


def lacks_method(world: World, subscription: Obj) -> bool:
    """Say whether a subscription is charged automatically, and has nothing to be charged to."""
    if subscription["collection_method"] != "charge_automatically":
        return False
    customer = part(world.find("customer", subscription["customer"]))
    settings = part(customer.get("invoice_settings"))
    known = (subscription.get("default_payment_method"), settings.get("default_payment_method"))
    return not any((*known, customer.get("default_source")))


def end_without_method(world: World, subscription: Obj) -> Obj | None:
    """Cancel or pause a subscription whose trial ends without a payment method, or return None: it is invoiced."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behavior == "cancel":
        return states.cancel(world, subscription, reason=None)
    if behavior == "pause":
        return pause(world, subscription, "trial_end_without_payment_method", {"trial_end": world.now()})
    return None


def pause(world: World, subscription: Obj, reason: str, further: Obj) -> Obj:
    """Pause a subscription: it bills nothing until it is resumed."""
    details = {"subscription": {"type": reason}, "transitioned_at": world.now(), "type": "subscription"}
    changes = {"status": "paused", "status_details": {"paused": details}, **further}
    return states.change(world, subscription, changes, "customer.subscription.paused")
