"""Updates that wait for their payment. Source: docs.stripe.com/billing/subscriptions/pending-updates."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.durations import PAYMENT_WAIT_SECONDS
from tollhouse.sandbox.resources.billing import subscription_changes as changes_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing.subscription_changes import Change
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj, part

APPLIED: Final = "customer.subscription.pending_update_applied"
EXPIRED: Final = "customer.subscription.pending_update_expired"


def carry_out(world: World, subscription: Obj, change: Change, params: Params, settings: Obj) -> Obj:
    """Change what a subscription bills once it is paid for: at once, or it is kept as `pending_update` until then."""
    invoice, due = changes_of.draw_up(world, subscription, change)
    if invoice is None:
        return changes_of.write(world, subscription, change, {**settings, **due})
    subscription[HIDDEN]["pending"] = {"change": change.to_object(), "invoice": invoice["id"], "settings": settings}
    kept: Obj = {
        "billing_cycle_anchor": change.anchor,
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": world.now() + PAYMENT_WAIT_SECONDS,
        "metadata": None,
        "subscription_items": change.items,
        "trial_end": change.trial_end,
        "trial_from_plan": None,
    }
    # Silent: it is told below, when the payment has not succeeded at once.
    subscription = states.change(world, subscription, {**due, "pending_update": kept}, None)
    changes_of.collect(world, invoice, {**params, "payment_behavior": "pending_if_incomplete"})
    subscription = world.get("subscription", subscription["id"])
    if subscription["pending_update"] is not None:
        subscription[HIDDEN]["pending"]["is_told"] = True
        world.save(subscription)
        world.emit(states.UPDATED, subscription, previous={"pending_update": None})
    return subscription


@invoices.follow
def follow_invoice(world: World, invoice: Obj, outcome: str) -> None:
    """Apply a pending update when its invoice is paid; forget it when that is voided."""
    subscription = world.find("subscription", invoice[HIDDEN].get("subscription"))
    pending = part({} if subscription is None else subscription[HIDDEN].get("pending"))
    if subscription is None or pending.get("invoice") != invoice["id"]:
        return
    with world.within(subscription):
        if outcome == "paid":
            del subscription[HIDDEN]["pending"]
            further = {**pending["settings"], "pending_update": None}
            subscription = changes_of.write(world, subscription, Change.from_object(pending["change"]), further)
            if pending.get("is_told"):
                world.emit(APPLIED, subscription)
        elif outcome in {"voided", "uncollectible", "exhausted"}:
            _drop(world, subscription)


@action("subscription.expire_pending")
def expire(world: World, id: str) -> None:
    """Forget an update that was not paid for in time, and void its invoice."""
    subscription = world.find("subscription", id)
    pending = part({} if subscription is None else subscription[HIDDEN].get("pending"))
    if subscription is None or not pending:
        return
    subscription = _drop(world, subscription)
    invoice = world.get("invoice", pending["invoice"])
    if invoice["status"] == "open":
        invoices.void(world, invoice)


def _drop(world: World, subscription: Obj) -> Obj:
    del subscription[HIDDEN]["pending"]
    subscription = states.change(world, subscription, {"pending_update": None}, None)
    world.emit(EXPIRED, subscription)
    return subscription
