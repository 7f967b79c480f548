"""What comes due on subscriptions: the next period, the end of a trial, their own end.

Source: docs.stripe.com/billing/subscriptions/webhooks. An invoice of a new period is a draft for an hour.
"""

from __future__ import annotations

from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import trials
from tollhouse.sandbox.resources.billing.subscription_cycles import renew
from tollhouse.sandbox.resources.invoicing import invoice_previews, invoices
from tollhouse.sandbox.state.world import World, action


@action("subscription.turn")
def turn(world: World, id: str) -> None:
    """Begin the next period: of a trial that ends, of a subscription that is renewed."""
    subscription = world.find("subscription", id)
    if subscription is None or subscription["status"] not in states.RENEWED:
        return
    is_bare = subscription["status"] == "trialing" and trials.lacks_method(world, subscription)
    if not is_bare or trials.end_without_method(world, subscription) is None:
        renew(world, subscription)


@action("subscription.end")
def end(world: World, id: str) -> None:
    """End a subscription at the time that was set for it."""
    subscription = world.find("subscription", id)
    if subscription is not None and subscription["status"] not in states.ENDED:
        states.cancel(world, subscription, ran_out=True)


@action("subscription.expire")
def expire(world: World, id: str) -> None:
    """Give a subscription up whose first invoice was not paid in 23 hours, and void that invoice."""
    subscription = world.find("subscription", id)
    if subscription is None or subscription["status"] != "incomplete":
        return
    invoice = world.find("invoice", subscription["latest_invoice"])
    if invoice is not None and invoice["status"] == "open":
        invoices.void(world, invoice)  # which ends the subscription
    else:
        states.cancel(world, subscription, reason=None)


@action("subscription.upcoming")
def upcoming(world: World, id: str) -> None:
    """Tell of the invoice that is to come, a week ahead."""
    subscription = world.find("subscription", id)
    if subscription is None or subscription["status"] not in states.RENEWED:
        return
    preview = invoice_previews.of_renewal(world, subscription)
    del preview["id"]  # what is not drawn up yet has none
    world.emit("invoice.upcoming", preview)
