"""Subscriptions that bill nothing for a while. Source: docs.stripe.com/billing/subscriptions/pause."""

from __future__ import annotations

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.billing import billing_cycles, proration, subscriptions, trials
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_changes as changes_of
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj, part

RESUMED = "customer.subscription.resumed"


@operation("POST", subscriptions.PATH + "/{id}/pause")
def pause(world: World, params: Params, /, *, id: str) -> Obj:
    """Pause a subscription that is active or on trial; what was paid ahead is credited when that is asked for."""
    subscription = states.check_alive(world.get("subscription", id))
    if subscription["status"] not in {"active", "trialing"}:
        raise invalid(f"A subscription that is `{subscription['status']}` cannot be paused.")
    with world.within(subscription):
        unused = part(part(params.get("bill_for")).get("unused_time_from")).get("type", "none")
        if unused != "none":
            start = items_of.period_of(subscription)[0]
            proration.credit_all(world, subscription, start if unused == "item_current_period_start" else world.now())
        changes: Obj = {}
        if params.get("invoicing_behavior") == "invoice" and unused != "none":
            period = items_of.period_of(subscription)
            invoice, changes = billing.bill(world, subscription, [], reason="subscription_update", period=period)
            changes_of.collect(world, invoice, {})
        return trials.pause(world, world.get("subscription", id), "pause_requested", changes)


@operation("POST", subscriptions.PATH + "/{id}/resume")
def resume(world: World, params: Params, /, *, id: str) -> Obj:
    """Resume a paused subscription: with a new cycle, or within the old one; what it owes is to be paid first."""
    subscription = world.get("subscription", id)
    if subscription["status"] != "paused":
        raise invalid("Only a subscription that is paused can be resumed.")
    with world.within(subscription):
        asked = params.get("billing_cycle_anchor")
        kind = asked if isinstance(asked, str) else part(asked).get("type", "now")
        items, recurring = items_of.read(subscription), items_of.recurring_of(items_of.read(subscription))
        anchor = world.now() if kind == "now" else subscription["billing_cycle_anchor"]
        period = billing_cycles.period_at(anchor, recurring, world.now())
        moved = items_of.with_period(items, period)
        changes: Obj = {"billing_cycle_anchor": anchor, **items_of.store(world, subscription, moved)}
        subscription[HIDDEN]["resuming"] = True
        subscription = states.change(world, subscription, changes, None)
        whole = period[1] - period[0]
        share = (1, 1) if kind == "now" else (period[1] - world.now(), whole)
        if params.get("proration_behavior") == "none" and kind != "now":
            return _run(world, subscription)
        lines = billing.item_lines(world, subscription, moved, (world.now(), period[1]), share=share)
        invoice, due = billing.bill(world, subscription, lines, reason="subscription_update")
        subscription = states.change(world, subscription, due, None)
        if params.get("payment_behavior") == "resume_on_payment_attempt":
            subscription = _run(world, subscription)
        changes_of.collect(world, invoice, params | {"payment_behavior": "allow_incomplete"})
        return world.get("subscription", id)


@invoices.follow
def follow_invoice(world: World, invoice: Obj, outcome: str) -> None:
    """Let a subscription run again when what it owed is paid."""
    subscription = world.find("subscription", invoice[HIDDEN].get("subscription"))
    if subscription is None or subscription["status"] != "paused" or not subscription[HIDDEN].get("resuming"):
        return
    if outcome == "paid" and subscription["latest_invoice"] == invoice["id"]:
        with world.within(subscription):
            _run(world, subscription)


@action("subscription.resume_collection")
def resume_collection(world: World, id: str) -> None:
    """Collect again when the pause of a subscription's collection is over."""
    subscription = world.find("subscription", id)
    if subscription is not None and subscription["status"] not in states.ENDED:
        states.change(world, subscription, {"pause_collection": None})


def _run(world: World, subscription: Obj) -> Obj:
    subscription[HIDDEN].pop("resuming", None)
    subscription.pop("status_details", None)
    return states.change(world, subscription, {"status": "active"}, RESUMED)
