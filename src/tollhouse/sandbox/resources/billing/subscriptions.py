"""Subscriptions: created, listed, canceled. Source: docs.stripe.com/api/subscriptions."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, in_range, read_page
from tollhouse.sandbox.api.parameters import WHOLE, Earlier
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import invalid, missing, parameter_missing
from tollhouse.sandbox.resources.billing import proration
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.billing.subscription_starts import start
from tollhouse.sandbox.resources.billing.subscription_states import cancel
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj, part

__all__ = ["cancel", "start"]  # what other parts of the sandbox do to subscriptions

PATH: Final = "/v1/subscriptions"
ENDED: Final = {"ended": states.ENDED, "all": ()}
TIMING: Final = ("billing_cycle_anchor", "billing_cycle_anchor_config", "backdate_start_date", "proration_behavior")
EARLIER: Final = dict.fromkeys(("coupon", "promotion_code", "plan", "prorate", "tax_percent", "billing"), Earlier()) | {
    "quantity": Earlier(WHOLE)
}

readable("subscription", PATH, listed=False)


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Create a subscription and collect its first invoice."""
    customer = world.get("customer", params.get("customer") or _need("customer"), param="customer")
    if params.get("payment_behavior") == "pending_if_incomplete":
        raise invalid("`pending_if_incomplete` is for updates alone.", "payment_behavior")
    given = params.get("items") or _plain_items(params)
    items = [terms.read_item(world, each, f"items[{place}]") for place, each in enumerate(given)]
    with world.within(customer):
        settings = terms.read_settings(world, params, customer, _usual())
        if params.get("cancel_at_period_end"):
            settings["cancel_at_period_end"] = True
        subscription = start(
            world,
            customer,
            items,
            trial_end=terms.read_trial(params, items, world.now()),
            payment_method=settings.pop("default_payment_method", None),
            payment_behavior=params.get("payment_behavior", "allow_incomplete"),
            discounts=read_discounts(world, params, customer),
            metadata=merge_metadata(None, params.get("metadata", {})),
            invoice_items=params.get("add_invoice_items", ()),
            currency=params.get("currency"),
            off_session=params.get("off_session", False),
            **settings,
            **{name: params[name] for name in TIMING if name in params},
            billing_mode=params.get("billing_mode"),
            version=world.version,
        )
        return _settle_end(world, subscription, params)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List subscriptions; the canceled ones only when they are asked for."""
    status = params.get("status")

    def fits(obj: Obj) -> bool:
        items = items_of.read(obj)
        if status is None and obj["status"] == "canceled":
            return False
        if status not in {None, "all"} and obj["status"] not in ENDED.get(str(status), (status,)):
            return False
        if not {params.get("price"), params.get("plan")} <= {None, *(item["price"]["id"] for item in items)}:
            return False
        tax = params.get("automatic_tax")
        if tax is not None and obj["automatic_tax"]["enabled"] != tax["enabled"]:
            return False
        start_at, end_at = items_of.period_of(obj)
        bounds = ((start_at, "current_period_start"), (end_at, "current_period_end"))
        return all(in_range(value, params.get(name)) for value, name in bounds)

    equal = {name: params[name] for name in ("customer", "collection_method", "test_clock") if name in params}
    return read_page(world, "subscription", params, PATH, where=fits, **equal)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search subscriptions."""
    return search(world, "subscription", params, PATH + "/search")


@operation("DELETE", PATH + "/{id}", earlier=("at_period_end",))
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Cancel a subscription at once; bill what waits with `invoice_now`, repay unused time with `prorate`."""
    subscription = world.get("subscription", id)
    if subscription["status"] in states.ENDED:
        raise missing("subscription", id)
    with world.within(subscription):
        if params.get("prorate"):
            proration.credit_all(world, subscription, world.now())
        if params.get("invoice_now"):
            invoice, changes = billing.bill(
                world, subscription, [], reason="subscription_update", period=items_of.period_of(subscription)
            )
            subscription = states.change(world, subscription, changes)
            billing.collect(world, invoice)
            subscription = world.get("subscription", id)
        return cancel(world, subscription, details=read_details(params))


@operation("DELETE", PATH + "/{id}/discount")
def delete_discount(world: World, params: Params, /, *, id: str) -> Obj:
    """Take the discounts of a subscription back."""
    subscription = world.get("subscription", id)
    if not subscription["discounts"]:
        raise missing("discount", id)
    gone = [discounts.remove(world, world.get("discount", each)) for each in subscription["discounts"]]
    states.change(world, subscription, {"discounts": []})
    return gone[0]


@operation("POST", PATH + "/{id}/migrate")
def migrate(world: World, params: Params, /, *, id: str) -> Obj:
    """Bill a subscription in the flexible mode from now on."""
    subscription = states.check_alive(world.get("subscription", id))
    if subscription["billing_mode"]["type"] == "flexible":
        raise invalid("This subscription's billing mode is flexible already.", "billing_mode")
    mode = terms.read_billing_mode(params["billing_mode"], None, world.now_for(subscription))
    return states.change(world, subscription, {"billing_mode": mode})


def read_discounts(world: World, params: Params, customer: Obj) -> list[discounts.Asked]:
    """Return the discounts that a request asks for, also by the parameters of earlier versions."""
    if params.get("coupon"):
        return [discounts.read_coupon(world, params["coupon"])]
    if params.get("promotion_code"):
        return [discounts.read_code(world, params["promotion_code"], customer=customer["id"])]
    return discounts.read_asked(world, params.get("discounts") or (), customer=customer["id"])


def read_details(params: Params) -> Obj:
    """Return what a request tells of why a subscription is canceled."""
    return {name: value or None for name, value in part(params.get("cancellation_details")).items()}


def _settle_end(world: World, subscription: Obj, params: Params) -> Obj:
    """Give a new subscription the end that was asked for."""
    end = params.get("cancel_at")
    if subscription["cancel_at_period_end"] or isinstance(end, str):
        end = items_of.period_of(subscription)[1]
    if end is None:
        return subscription
    if end <= world.now():
        raise invalid("`cancel_at` must be in the future.", "cancel_at")
    return states.change(world, subscription, {"cancel_at": end}, None)


def _usual() -> Obj:
    """Return the settings of a subscription that a request says nothing of."""
    return {
        "payment_settings": None,
        "invoice_settings": dict.fromkeys(("account_tax_ids", "custom_fields", "description", "footer"))
        | {"issuer": {"type": "self"}},
        "trial_settings": None,
        "collection_method": "charge_automatically",
        "days_until_due": None,
    }


def _plain_items(params: Params) -> list[Obj]:
    """Return the only item in the form of the earliest versions."""
    if not params.get("plan"):
        raise parameter_missing("items")
    return [{"plan": params["plan"], "quantity": int(params.get("quantity", 1))}]


def _need(name: str) -> str:
    raise parameter_missing(name)
