"""A subscription's periods, one after the other. Source: docs.stripe.com/billing/subscriptions/billing-cycle."""

from __future__ import annotations

from tollhouse.sandbox.resources.billing import billing_cycles
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part


def renew(world: World, subscription: Obj) -> Obj:
    """Bill the next period."""
    items = items_of.read(subscription)
    over = items_of.period_of(subscription)
    period = next_period(subscription)
    fresh = [{**item, "price": world.find("price", item["price"]["id"]) or item["price"]} for item in items]
    moved = items_of.with_period(fresh, period)
    whole = period_at(subscription, period[0])
    share = (1, 1) if whole == period else (period[1] - period[0], whole[1] - whole[0])
    changes: Obj = items_of.store(world, subscription, moved)
    if subscription["status"] == "trialing":
        changes["status"] = "active"
        # A trial that ended is over, whether or not its first invoice is paid.
    lines = billing.item_lines(world, subscription, moved, period, share=share)
    invoice, due = billing.bill(world, subscription | changes, lines, reason="subscription_cycle", period=over)
    subscription = states.change(world, subscription, {**changes, **due})
    return world.get("invoice", invoice["id"])


def next_period(subscription: Obj) -> tuple[int, int]:
    """Return the start and the end of the period after the current one."""
    start = items_of.period_of(subscription)[1]
    return start, period_at(subscription, start)[1]


def period_at(subscription: Obj, time: int) -> tuple[int, int]:
    """Return the start and the end of the period that a time is in, by the subscription's anchor."""
    recurring = items_of.recurring_of(items_of.read(subscription))
    day = part(subscription["billing_cycle_anchor_config"]).get("day_of_month")
    return billing_cycles.period_at(subscription["billing_cycle_anchor"], recurring, time, day=day)
