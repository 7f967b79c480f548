"""How subscriptions begin: their items, their first period and their first invoice.

Source: docs.stripe.com/billing/subscriptions/overview and docs.stripe.com/billing/subscriptions/billing-cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.billing import billing_cycles, dunning
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.invoicing import invoice_lines, invoices
from tollhouse.sandbox.resources.invoicing.invoice_methods import find_method, no_method
from tollhouse.sandbox.resources.payments import setup_intents
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

END_BEHAVIOR: Final = {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}
INVOICE_SETTINGS: Final = {
    "account_tax_ids": None,
    "custom_fields": None,
    "description": None,
    "footer": None,
    "issuer": {"type": "self"},
}


def start(  # noqa: PLR0913 (each is named by the caller, and none belongs with another)
    world: World,
    customer: Obj,
    items: Sequence[Mapping[str, Any]],
    *,
    trial_days: int | None = None,
    trial_end: int | None = None,
    payment_method: str | None = None,
    payment_behavior: str = "allow_incomplete",
    discounts: Sequence[Any] = (),
    metadata: Mapping[str, str] | None = None,
    hidden: Mapping[str, Any] | None = None,
    invoice_items: Sequence[Mapping[str, Any]] = (),
    currency: str | None = None,
    off_session: bool = False,
    **fields: Any,
) -> Obj:
    """Start a subscription and collect its first invoice; return it `active`, `trialing` or `incomplete`.

    Items are `{"price": Obj, "quantity": int}`; one-time prices among them go on the first invoice, as do the
    `invoice_items`. `discounts` are ids, or what `discounts.read_asked` gives. `hidden` is kept in the subscription's
    `_` and in that of its first payment intent. `fields` are the subscription's own, and `billing_cycle_anchor`,
    `billing_cycle_anchor_config`, `backdate_start_date`, `proration_behavior`, and the API's `version` that decides the
    billing mode unless `billing_mode` does. Raises `StripeError` 400 for what
    cannot be, and 402 with `error_if_incomplete`.
    """
    with world.within(customer):
        now = world.now()
        once = [each for each in items if each["price"]["recurring"] is None]
        recurring = [dict(each) for each in items if each["price"]["recurring"] is not None]
        currency = terms.check_items(recurring, currency)
        terms.check_customer_currency(world, customer, currency)
        terms.check_clock(world, customer)
        trial_end = now + trial_days * DAY_SECONDS if trial_days else trial_end
        cycle = read_cycle(fields, recurring, now, trial_end)
        subscription = _make(world, customer, currency, cycle, fields)
        subscription |= {"default_payment_method": payment_method, "metadata": dict(part(metadata))}
        subscription[HIDDEN] |= {**part(hidden), "intent": dict(part(hidden)), "announced": False}
        world.save(subscription)
        subscription |= items_of.store(world, subscription, _make_items(world, subscription, recurring, cycle))
        subscription["discounts"] = _apply(world, subscription, discounts)
        world.save(subscription)
        _note_currency(world, customer, currency)
        billing.add_items(world, customer, subscription, [*once, *invoice_items])
        return _bill_first(world, subscription, cycle, payment_behavior, off_session=off_session)


def read_cycle(fields: dict[str, Any], items: Sequence[Obj], now: int, trial_end: int | None) -> Obj:
    """Take the fields that say when periods begin; return `anchor`, `period`, the `share` to be paid, `start`."""
    recurring = items_of.recurring_of(items)
    config = fields.get("billing_cycle_anchor_config")
    billing_cycles.check_config(part(config), "billing_cycle_anchor_config")
    fields["billing_cycle_anchor_config"] = config and {
        "hour": None,
        "minute": None,
        "month": None,
        "second": None,
        **config,
    }
    given, backdated = fields.pop("billing_cycle_anchor", None), fields.pop("backdate_start_date", None)
    behavior = fields.pop("proration_behavior", "create_prorations")
    begun = now if backdated is None else backdated
    if begun > now:
        raise invalid("`backdate_start_date` must be in the past.", "backdate_start_date")
    cycle: Obj = {"anchor": begun, "start": begun, "trial_end": trial_end, "share": (1, 1)}
    if trial_end is not None:
        return cycle | {"anchor": given or trial_end, "period": (now, trial_end)}
    anchor = billing_cycles.next_match(config, now) if config else given
    if anchor is None:
        start, end = billing_cycles.period_at(begun, recurring, now)
        count = 1 + sum(1 for place in range(1, 1000) if billing_cycles.add(begun, recurring, place) <= start)
        return cycle | {"period": (begun, end), "share": (count, 1)}
    day = config["day_of_month"] if config else None
    first = billing_cycles.period_at(anchor, recurring, now, day=day)
    latest = billing_cycles.add(now, recurring, 1)
    if not now < anchor <= latest:
        raise invalid(
            "`billing_cycle_anchor` must be in the future, and not later than the next natural billing date"
            f" ({latest}).",
            "billing_cycle_anchor",
        )
    share = (0, 1) if behavior == "none" else (first[1] - now, first[1] - first[0])
    return cycle | {"anchor": anchor, "period": (now, first[1]), "share": share}


def _make(world: World, customer: Obj, currency: str, cycle: Obj, fields: dict[str, Any]) -> Obj:
    """Return the new subscription without its items; it is not saved yet."""
    now, version = world.now(), fields.pop("version", None)
    trial_end = cycle["trial_end"]
    subscription = world.new("subscription", customer=customer["id"], test_clock=customer.get("test_clock"))
    subscription |= {"currency": currency, "created": now, "start_date": cycle["start"], "default_tax_rates": []}
    subscription |= {"billing_cycle_anchor": cycle["anchor"], "trial_end": trial_end, "trial_start": trial_end and now}
    subscription |= {"collection_method": "charge_automatically", "cancellation_details": dict(states.NO_DETAILS)}
    subscription |= {"invoice_settings": dict(INVOICE_SETTINGS), "payment_settings": dict(terms.SETTINGS)}
    subscription |= {"trial_settings": {"end_behavior": dict(END_BEHAVIOR)}, HIDDEN: {}}
    subscription |= fields
    subscription["billing_mode"] = terms.read_billing_mode(fields.get("billing_mode"), version, now)
    behavior = part(part(subscription["trial_settings"]).get("end_behavior"))
    subscription["trial_settings"] = {"end_behavior": END_BEHAVIOR | behavior}
    is_sent = subscription["collection_method"] == "send_invoice"
    subscription["status"] = "trialing" if trial_end is not None else "active" if is_sent else "incomplete"
    return subscription


def _make_items(world: World, subscription: Obj, given: Sequence[Obj], cycle: Obj) -> list[Obj]:
    period = (max(cycle["period"][0], cycle["start"]), cycle["period"][1])
    made: list[Obj] = []
    for each in given:
        item = items_of.make(world, subscription, each["price"], each["quantity"], period, created=world.now())
        item["metadata"] = dict(part(each.get("metadata")))
        item["discounts"] = apply_to_item(world, subscription, item, each.get("discounts") or ())
        made.append(item)
    return made


def apply_to_item(world: World, subscription: Obj, item: Obj, asked: Sequence[discounts.Asked]) -> list[str]:
    """Return the ids of new discounts on an item."""
    place = {"customer": subscription["customer"], "subscription": subscription["id"], "subscription_item": item["id"]}
    return [discounts.create(world, one.coupon, promotion_code=one.promotion_code, **place)["id"] for one in asked]


def _apply(world: World, subscription: Obj, given: Sequence[Any]) -> list[str]:
    """Return the ids of the subscription's discounts: those that exist already, and those made of what is asked for."""
    ids: list[str] = []
    for each in given:
        if isinstance(each, str):
            world.change(world.get("discount", each, param="discounts"), {"subscription": subscription["id"]})
            ids.append(each)
            continue
        discounts.check_currency(each.coupon, subscription["currency"])
        place = {"customer": subscription["customer"], "subscription": subscription["id"]}
        ids.append(discounts.create(world, each.coupon, promotion_code=each.promotion_code, **place)["id"])
    return ids


def _note_currency(world: World, customer: Obj, currency: str) -> None:
    """Let the customer's first currency be the customer's own."""
    customer = world.get("customer", customer["id"])
    if customer["currency"] is None:
        world.change(customer, {"currency": currency}, "customer.updated")


def _bill_first(world: World, subscription: Obj, cycle: Obj, behavior: str, *, off_session: bool) -> Obj:
    """Draw the first invoice up and collect it as far as the behaviour says; return the subscription then."""
    items = items_of.read(subscription)
    if subscription["status"] == "trialing":
        currency = subscription["currency"]
        lines = [invoice_lines.of_trial(world, item, currency, cycle["period"]) for item in items]
    else:
        lines = billing.item_lines(world, subscription, items, cycle["period"], share=cycle["share"])
        lines = lines if cycle["share"][0] else []
    invoice, changes = billing.bill(world, subscription, lines, reason="subscription_create")
    subscription = states.change(world, subscription, changes)
    if subscription["collection_method"] == "send_invoice" and subscription["status"] != "trialing":
        return states.announce(world, subscription)
    is_due = invoice["amount_due"] > 0
    is_lazy = behavior == "default_incomplete"
    if is_due and not is_lazy and find_method(world, invoice) is None:
        raise no_method()
    invoice = invoices.finalize(world, invoice)
    subscription = world.get("subscription", subscription["id"])
    if is_lazy and not is_due:
        subscription = _open_setup(world, subscription)
    if is_lazy or subscription[HIDDEN]["intent"]:
        # Checkout and browsers see it incomplete first; otherwise its creation is told with what came of the payment.
        subscription = states.announce(world, subscription)
    if invoice["status"] == "open" and not is_lazy:
        pay_first(world, invoice, must_succeed=behavior == "error_if_incomplete", off_session=off_session)
    subscription = world.get("subscription", subscription["id"])
    return subscription if subscription[HIDDEN]["announced"] else states.announce(world, subscription)


def pay_first(world: World, invoice: Obj, *, must_succeed: bool, off_session: bool) -> Obj:
    """Attempt to pay an invoice at once; raise what it failed of, undoing all, when it must succeed."""
    if not must_succeed:
        return dunning.attempt(world, invoice, off_session=off_session)
    try:
        invoice = invoices.pay(world, invoice, off_session=off_session)
    except StripeError as error:
        error.keeps_effects = False
        raise
    intent = world.get("payment_intent", invoice[HIDDEN]["payment_intent"])
    if intent["status"] == "requires_action":
        raise StripeError(
            "Payment for this subscription requires additional user action before it can be completed successfully."
            " Payment can be completed using the PaymentIntent associated with `subscription.latest_invoice`.",
            status=402,
            type="card_error",
            code="subscription_payment_intent_requires_action",
        )
    return invoice


def _open_setup(world: World, subscription: Obj) -> Obj:
    """Open the setup of a payment method for a subscription that has nothing to pay yet."""
    intent = setup_intents.open(
        world,
        customer=subscription["customer"],
        hidden={"subscription": subscription["id"]},
        usage="off_session",
    )
    return states.change(world, subscription, {"pending_setup_intent": intent["id"]})


@setup_intents.follow
def follow_setup(world: World, intent: Obj, outcome: str) -> None:
    """Make what was set up for a subscription its default payment method."""
    subscription = world.find("subscription", intent.get(HIDDEN, {}).get("subscription"))
    if subscription is None or outcome != "succeeded" or subscription["pending_setup_intent"] != intent["id"]:
        return
    changes = {"default_payment_method": intent["payment_method"], "pending_setup_intent": None}
    states.change(world, subscription, changes)
