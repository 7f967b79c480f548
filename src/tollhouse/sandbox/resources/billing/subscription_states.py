"""What becomes of a subscription: its status, what follows from its invoices, and its end.

Source: docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tollhouse.sandbox.durations import DAY_SECONDS, PAYMENT_WAIT_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.billing.subscription_items import period_of
from tollhouse.sandbox.resources.catalogue import entitlements
from tollhouse.sandbox.resources.customers import customers
from tollhouse.sandbox.resources.invoicing import invoice_items, invoices
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

UPDATED: Final = "customer.subscription.updated"
ENDED: Final = ("canceled", "incomplete_expired")
RENEWED: Final = ("trialing", "active", "past_due", "unpaid")
TRIAL_WARNING_SECONDS: Final = 3 * DAY_SECONDS
UPCOMING_SECONDS: Final = 7 * DAY_SECONDS
TIMERS: Final = ("expire", "turn", "end", "warn", "upcoming", "resume_collection", "expire_pending")
NO_DETAILS: Final[Obj] = {"comment": None, "feedback": None, "feedback_option": None, "reason": None}


def change(world: World, subscription: Obj, changes: Mapping[str, Any], event: str | None = UPDATED) -> Obj:
    """Change a subscription, with all that follows: its event, its timers, its customer's entitlements."""
    is_silent = not subscription[HIDDEN].get("announced", True)
    subscription = world.change(subscription, changes, None if is_silent else event)
    plan(world, subscription)
    if "status" in changes or "items" in changes:
        entitlements.refresh(world, subscription["customer"])
    return subscription


def announce(world: World, subscription: Obj) -> Obj:
    """Tell of a new subscription; until then no change to it is told."""
    subscription[HIDDEN]["announced"] = True
    world.save(subscription)
    world.emit("customer.subscription.created", subscription)
    warning = (subscription["trial_end"] or 0) - TRIAL_WARNING_SECONDS
    if subscription["status"] == "trialing" and warning <= world.now_for(subscription):
        world.emit("customer.subscription.trial_will_end", subscription)
    return subscription


def plan(world: World, subscription: Obj) -> None:
    """Let happen to a subscription, each at its time, what is to come as it is now."""
    due = {f"subscription.{name}": None for name in TIMERS} | _plan(world, subscription)
    for name, time in due.items():
        if time is None:
            world.cancel(name, subscription)
        else:
            world.schedule(name, subscription, time)


def cancel(
    world: World,
    subscription: Obj,
    *,
    reason: str | None = "cancellation_requested",
    details: Mapping[str, Any] | None = None,
    ran_out: bool = False,
) -> Obj:
    """End a subscription now; its open invoices are not collected any more, its pending prorations are forgotten.

    One that `ran_out` at the time set for it tells on whether that was its period's end.
    """
    now = world.now_for(subscription)
    is_incomplete = subscription["status"] == "incomplete"
    told = {**NO_DETAILS, **part(subscription["cancellation_details"]), **(details or {})}
    changes: Obj = {"status": "incomplete_expired" if is_incomplete else "canceled", "ended_at": now}
    changes |= {
        "canceled_at": subscription["canceled_at"] or now,
        "cancel_at_period_end": ran_out and subscription["cancel_at_period_end"],
        "pending_update": None,
    }
    changes["cancellation_details"] = told | {"reason": told["reason"] or reason}
    if subscription["cancel_at"] is not None and subscription["cancel_at"] > now:
        changes["cancel_at"] = None
    for item in world.every("invoiceitem", customer=subscription["customer"], invoice=None):
        if item["proration"] and invoice_items.owner_of(item) == subscription["id"]:
            world.remove(item)
    subscription = change(world, subscription, changes, UPDATED if is_incomplete else None)
    _stop_collecting(world, subscription, is_void=is_incomplete)
    if not is_incomplete:
        world.emit("customer.subscription.deleted", subscription)
    return subscription


def check_alive(subscription: Obj) -> Obj:
    """Return the subscription. Raises `StripeError` 400 when it has ended: nothing can be changed any more."""
    if subscription["status"] == "incomplete_expired":
        raise invalid("This subscription has expired as its first invoice was not paid; it cannot be updated.")
    if subscription["status"] == "canceled":
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    return subscription


@invoices.follow
def follow_invoice(world: World, invoice: Obj, outcome: str) -> None:
    """Bring a subscription to where its invoice is."""
    subscription = world.find("subscription", invoice[HIDDEN].get("subscription"))
    if subscription is None or subscription["status"] in ENDED:
        return
    with world.within(subscription):
        if outcome == "exhausted":
            _give_up(world, subscription)
            return
        if outcome == "paid":
            subscription = _keep_method(world, subscription, invoice)
        status = _next_status(subscription, invoice, outcome)
        if status != subscription["status"]:
            change(world, subscription, {"status": status} | _end(world, status))


@customers.follow_deletion
def end_with_customer(world: World, customer: Obj) -> None:
    """Cancel the subscriptions of a customer who is deleted."""
    for subscription in world.every("subscription", customer=customer["id"]):
        if subscription["status"] not in ENDED:
            cancel(world, subscription)


def _plan(world: World, subscription: Obj) -> dict[str, int | None]:
    status, now = subscription["status"], world.now_for(subscription)
    if status in ENDED:
        return {}
    due: dict[str, int | None] = {"subscription.end": subscription["cancel_at"]}
    if status == "incomplete":
        due["subscription.expire"] = subscription["created"] + PAYMENT_WAIT_SECONDS
    if status in RENEWED:
        end = period_of(subscription)[1]
        due["subscription.turn"] = end
        due["subscription.upcoming"] = end - UPCOMING_SECONDS if now < end - UPCOMING_SECONDS else None
        if subscription["cancel_at"] == end:
            due |= {"subscription.turn": None, "subscription.upcoming": None}
    warning = (subscription["trial_end"] or 0) - TRIAL_WARNING_SECONDS
    if status == "trialing" and now < warning:
        due["subscription.warn"] = warning
    if subscription["pending_update"]:
        due["subscription.expire_pending"] = subscription["pending_update"]["expires_at"]
    if subscription["pause_collection"]:
        due["subscription.resume_collection"] = subscription["pause_collection"].get("resumes_at")
    return due


def _next_status(subscription: Obj, invoice: Obj, outcome: str) -> str:
    """Return the status that an invoice's outcome leads to."""
    status: str = subscription["status"]
    is_latest = subscription["latest_invoice"] == invoice["id"]
    is_settled = outcome in {"paid", "voided", "uncollectible"}
    if status == "incomplete" and is_latest:
        return {"paid": "active", "processing": "active", "voided": "incomplete_expired"}.get(outcome, status)
    if status in {"past_due", "unpaid"} and is_latest and is_settled:
        return "active"
    if status in {"active", "trialing"} and outcome in {"payment_failed", "action_required", "overdue"}:
        return status if subscription["pending_update"] else "past_due"
    return status


def _end(world: World, status: str) -> Obj:
    return {"ended_at": world.now(), "canceled_at": world.now()} if status in ENDED else {}


def _give_up(world: World, subscription: Obj) -> None:
    """Do what the account does with a subscription that was not paid after all attempts."""
    if world.after_dunning == "cancel":
        cancel(world, subscription, reason="payment_failed")
    elif world.after_dunning == "unpaid":
        change(world, subscription, {"status": "unpaid"})


def _keep_method(world: World, subscription: Obj, invoice: Obj) -> Obj:
    """Keep what paid an invoice as the subscription's default, if that is asked for."""
    settings = part(subscription["payment_settings"])
    intent = world.find("payment_intent", invoice[HIDDEN].get("payment_intent"))
    if (
        settings.get("save_default_payment_method") != "on_subscription"
        or intent is None
        or not intent["payment_method"]
    ):
        return subscription
    return change(world, subscription, {"default_payment_method": intent["payment_method"]})


def _stop_collecting(world: World, subscription: Obj, *, is_void: bool) -> None:
    for invoice in world.every("invoice", customer=subscription["customer"]):
        if invoice[HIDDEN].get("subscription") != subscription["id"] or invoice["status"] not in {"draft", "open"}:
            continue
        for name in ("invoice.retry", "invoice.finalize"):
            world.cancel(name, invoice)
        changes = {"auto_advance": False, "next_payment_attempt": None, "automatically_finalizes_at": None}
        stopped = world.change(invoice, changes, "invoice.updated")
        if is_void and stopped["status"] == "open":
            invoices.void(world, stopped)
