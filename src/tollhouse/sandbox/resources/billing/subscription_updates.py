"""Updates of subscriptions by request. Source: docs.stripe.com/api/subscriptions/update."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.parameters import Earlier
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.billing import pending_updates, subscriptions, trials
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_changes as changes_of
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj, is_object

EARLIER: Final = subscriptions.EARLIER | dict.fromkeys(("billing_cycle_anchor", "source"), Earlier())
AFTER_THE_END: Final = {"metadata", "cancellation_details", "expand"}


@operation("POST", subscriptions.PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a subscription: what it bills, how it is paid, when it ends."""
    subscription = world.get("subscription", id)
    if set(params) - AFTER_THE_END:
        states.check_alive(subscription)
    with world.within(subscription):
        customer = world.get("customer", subscription["customer"], param="customer")
        settings = _read_settings(world, params, subscription, customer)
        if subscription["status"] in states.ENDED:
            return states.change(world, subscription, settings)
        billing.add_items(world, customer, subscription, params.get("add_invoice_items", ()))
        change = changes_of.read_change(world, subscription, params)
        if change is None:
            return states.change(world, subscription, settings)
        if subscription["pending_update"] is not None:
            raise invalid("This subscription has a pending update; it must be paid or expire first.")
        if change.ends_trial and trials.lacks_method(world, subscription | settings):
            subscription = states.change(world, subscription, settings)
            ended = trials.end_without_method(world, subscription)
            if ended is not None:
                return ended
        if params.get("payment_behavior") == "pending_if_incomplete":
            return pending_updates.carry_out(world, subscription, change, params, settings)
        return changes_of.carry_out(world, subscription, change, params, settings)


def _read_settings(world: World, params: Params, subscription: Obj, customer: Obj) -> Obj:
    """Return what a request sets besides what is billed."""
    changes = terms.read_settings(world, params, customer, subscription)
    if "metadata" in params:
        changes["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "cancellation_details" in params:
        details = subscription["cancellation_details"] or states.NO_DETAILS
        changes["cancellation_details"] = details | subscriptions.read_details(params)
    if "pause_collection" in params:
        given = params["pause_collection"]
        changes["pause_collection"] = {"resumes_at": None, **given} if is_object(given) else None
    if any(name in params for name in ("discounts", "coupon", "promotion_code")):
        changes["discounts"] = _replace_discounts(world, params, subscription, customer)
    return changes | _read_end(world, params, subscription)


def _replace_discounts(world: World, params: Params, subscription: Obj, customer: Obj) -> list[str]:
    """Return the ids of the discounts asked for: those that are kept are named, the others are made."""
    given = params.get("discounts") or ()
    kept = [each["discount"] for each in given if each.get("discount") in subscription["discounts"]]
    wanted = [each for each in given if each.get("discount") not in kept]
    asked = subscriptions.read_discounts(world, {**params, "discounts": wanted}, customer)
    place = {"customer": customer["id"], "subscription": subscription["id"]}
    for one in asked:
        discounts.check_currency(one.coupon, subscription["currency"])
    made = [discounts.create(world, one.coupon, promotion_code=one.promotion_code, **place)["id"] for one in asked]
    for old in subscription["discounts"]:
        if old not in kept:
            world.emit("customer.discount.deleted", world.get("discount", old))
    return [*kept, *made]


def _read_end(world: World, params: Params, subscription: Obj) -> Obj:
    """Return when the subscription is to end, by `cancel_at_period_end` or `cancel_at`."""
    at_end, at = params.get("cancel_at_period_end"), params.get("cancel_at")
    if at_end and at:
        raise invalid("You may only specify one of these parameters: cancel_at, cancel_at_period_end.", "cancel_at")
    if at_end or (isinstance(at, str) and at):
        at = items_of.period_of(subscription)[1]
    details = (subscription["cancellation_details"] or states.NO_DETAILS) | subscriptions.read_details(params)
    if at:
        if at <= world.now():
            raise invalid("`cancel_at` must be in the future.", "cancel_at")
        details |= {"reason": "cancellation_requested"}
        changes: Obj = {"cancel_at": at, "cancel_at_period_end": bool(at_end), "cancellation_details": details}
        return changes | {"canceled_at": subscription["canceled_at"] or world.now()}
    if at_end is None and at is None:
        return {}
    if at_end is False and at is None and not subscription["cancel_at_period_end"]:
        return {}  # it takes back its own true alone, not a `cancel_at`
    details |= {"reason": None, "comment": None, "feedback": None}
    changes = {"cancel_at": None, "cancel_at_period_end": False, "canceled_at": None}
    return changes | {"cancellation_details": details}
