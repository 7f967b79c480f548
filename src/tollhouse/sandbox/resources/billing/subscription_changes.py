"""Changes to what a subscription bills: read from a request, invoiced, written.

Another interval begins a new cycle, which is billed at once.
Source: docs.stripe.com/billing/subscriptions/change-price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from tollhouse.sandbox.errors import StripeError, invalid, missing
from tollhouse.sandbox.resources.billing import billing_cycles, dunning, proration, unsimulated
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.billing.subscription_starts import apply_to_item, pay_first
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.invoicing import invoice_lines, invoices
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj, part

BEHAVIOR: Final = "create_prorations"


@dataclass(frozen=True, slots=True)
class Change:
    """What a subscription is to bill: its items in their periods, and where its cycle begins."""

    items: list[Obj]
    time: int  # that prorations are worked out for
    behavior: str  # Stripe's `proration_behavior`
    anchor: int | None = None  # of a new cycle
    trial_end: int | None = None
    begins_trial: bool = False
    ends_trial: bool = False

    @property
    def is_new_cycle(self) -> bool:
        """Say whether a whole period is to be billed at once."""
        return self.anchor is not None and not self.begins_trial

    def to_object(self) -> Obj:
        """Return it as JSON, to be applied later."""
        return asdict(self)

    @classmethod
    def from_object(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `to_object` gave."""
        return cls(**kept)


def read_change(world: World, subscription: Obj, params: Params) -> Change | None:
    """Return what a request changes of what is billed, or None. Raises `StripeError` 400 for what cannot be."""
    return decide(world, subscription, read_items(world, subscription, params), params)


def decide(world: World, subscription: Obj, items: list[Obj], params: Params) -> Change | None:
    """Return the change that leads to these items, and to the trial and the cycle a request asks for; None for none."""
    now = world.now()
    old = items_of.read(subscription)
    is_trial = subscription["status"] == "trialing"
    given = params.get("trial_end")
    trial_end = terms.read_trial_end(given, now)
    ends_trial = is_trial and given == "now"
    behavior = params.get("proration_behavior") or ("none" if params.get("prorate") == "false" else BEHAVIOR)
    change = Change(items, params.get("proration_date") or now, behavior, ends_trial=ends_trial)
    _check_time(subscription, change)
    if trial_end is not None:
        moved = items_of.with_period(items, (items_of.period_of(subscription)[0] if is_trial else now, trial_end))
        return Change(moved, change.time, behavior, anchor=trial_end, trial_end=trial_end, begins_trial=True)
    recurring = items_of.recurring_of(items)
    is_slower = not billing_cycles.is_same_interval(recurring, items_of.recurring_of(old))
    if ends_trial or ((is_slower or _asks_for_now(params)) and not is_trial):
        moved = items_of.with_period(items, (now, billing_cycles.add(now, recurring, 1)))
        return Change(moved, change.time, behavior, anchor=now, ends_trial=ends_trial)
    return None if items == old else change


def read_items(world: World, subscription: Obj, params: Params) -> list[Obj]:
    """Return the items as a request leaves them. Raises `StripeError` 400 for ids of none, and for none left."""
    items = {item["id"]: dict(item) for item in items_of.read(subscription)}
    given = params.get("items") or _plain(params, list(items.values()))
    for place, each in enumerate(given):
        at = f"items[{place}]"
        if each.get("id"):
            if each["id"] not in items:
                raise missing("subscription_item", each["id"], param=f"{at}[id]", status=400)
            if each.get("deleted"):
                del items[each["id"]]
            else:
                items[each["id"]] = edit_item(world, subscription, items[each["id"]], each, at)
        else:
            made = new_item(world, subscription, each, at)
            items[made["id"]] = made
    if not items:
        raise invalid("A subscription must have at least one item; cancel it in order to end it.", "items")
    kept = list(items.values())
    terms.check_items(kept, subscription["currency"])
    return kept


def new_item(world: World, subscription: Obj, given: Mapping[str, Any], at: str = "") -> Obj:
    """Return a further item, in the current period; it is not stored yet."""
    read = terms.read_item(world, given, at)
    period = items_of.period_of(subscription)
    item = items_of.make(world, subscription, read["price"], read["quantity"], period, created=world.now())
    item["metadata"] = merge_metadata(None, read["metadata"])
    item["discounts"] = apply_to_item(world, subscription, item, read["discounts"])
    return item


def edit_item(world: World, subscription: Obj, item: Obj, given: Mapping[str, Any], at: str = "") -> Obj:
    """Return a copy of an item with the price, the quantity and the rest that are asked for; it is not stored yet."""
    unsimulated.refuse(given, at)
    price = terms.read_price(world, given, at, old=item["price"])
    if price["recurring"] is None:
        raise invalid("This field only accepts prices with `type=recurring`.", "price")
    edited = {**item, "price": price, "plan": items_of.plan_of(price)}
    if "quantity" in given:
        if given["quantity"] < 0:
            raise invalid("Invalid non-negative integer", "quantity", "parameter_invalid_integer")
        edited["quantity"] = given["quantity"]
    if "metadata" in given:
        edited["metadata"] = merge_metadata(item["metadata"], given["metadata"])
    if "discounts" in given:
        asked = discounts.read_asked(world, given["discounts"] or ())
        edited["discounts"] = apply_to_item(world, subscription, item, asked)
    return edited


def carry_out(world: World, subscription: Obj, change: Change, params: Params, settings: Mapping[str, Any]) -> Obj:
    """Change what a subscription bills, together with its settings; collect what that makes due at once.

    Returns the subscription then. Raises `StripeError` 402 with `error_if_incomplete`.
    """
    invoice, changes = draw_up(world, subscription, change)
    subscription = write(world, subscription, change, {**settings, **changes})
    if invoice is not None:
        collect(world, invoice, params)
    return world.get("subscription", subscription["id"])


def draw_up(world: World, subscription: Obj, change: Change) -> tuple[Obj | None, Obj]:
    """Let prorations wait, and draft the invoice that is due at once; return it and what changes by it."""
    made: list[Obj] = []
    if change.behavior != "none":
        if change.anchor is not None:
            made = proration.credit_all(world, subscription, change.time)
        else:
            made = proration.prorate(world, subscription, items_of.read(subscription), change.items, change.time)
    period = items_of.period_of(subscription)
    over = (period[0], world.now())
    if change.begins_trial:
        if subscription["status"] == "trialing":
            return None, {}
        span = (world.now(), change.trial_end or world.now())
        lines = [invoice_lines.of_trial(world, item, subscription["currency"], span) for item in change.items]
        return billing.bill(world, subscription, lines, reason="subscription_update", period=over)
    if change.is_new_cycle:
        first = change.items[0]
        span = (first["current_period_start"], first["current_period_end"])
        lines = billing.item_lines(world, subscription, change.items, span)
        return billing.bill(world, subscription, lines, reason="subscription_update", period=over)
    if made and change.behavior == "always_invoice":
        return billing.bill(world, subscription, [], reason="subscription_update", period=over)
    return None, {}


def write(world: World, subscription: Obj, change: Change, further: Mapping[str, Any]) -> Obj:
    """Give a subscription its new items and cycle, told of in one event with what is changed besides."""
    changes: Obj = items_of.store(world, subscription, change.items)
    if change.anchor is not None:
        changes["billing_cycle_anchor"] = change.anchor
    if subscription["cancel_at_period_end"]:
        changes["cancel_at"] = change.items[0]["current_period_end"]
    if change.begins_trial:
        begun = subscription["trial_start"] if subscription["status"] == "trialing" else world.now()
        changes |= {"status": "trialing", "trial_start": begun, "trial_end": change.trial_end}
    if change.ends_trial:
        changes |= {"status": "active", "trial_end": world.now()}
    return states.change(world, subscription, {**changes, **further})


def collect(world: World, invoice: Obj, params: Params) -> Obj:
    """Finalize an invoice that is due at once, and pay it as far as the request's `payment_behavior` says."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    off_session = params.get("off_session", False)
    if invoice["status"] != "draft" or not invoice["auto_advance"]:
        return invoice
    if behavior == "allow_incomplete" or invoice["collection_method"] == "send_invoice":
        return dunning.advance(world, invoice, off_session=off_session)
    invoice = invoices.finalize(world, invoice)
    if invoice["status"] != "open":
        return invoice
    if behavior == "error_if_incomplete":
        return pay_first(world, invoice, must_succeed=True, off_session=off_session)
    if behavior == "default_incomplete":
        invoices.notify(world, invoice, "payment_failed")  # it is past due until a browser confirms the payment
        return invoice
    return dunning.attempt(world, invoice, off_session=off_session)


def _asks_for_now(params: Params) -> bool:
    """Say whether a new cycle is to begin; earlier versions ask by a word alone."""
    asked = params.get("billing_cycle_anchor")
    kind = asked if isinstance(asked, str) else part(asked).get("type", "unchanged")
    if kind not in {"now", "unchanged"}:
        raise invalid("Invalid billing_cycle_anchor: must be one of now or unchanged", "billing_cycle_anchor")
    return kind == "now"


def _check_time(subscription: Obj, change: Change) -> None:
    start, end = items_of.period_of(subscription)
    if not start <= change.time <= end:
        raise StripeError("The proration date must be within the current period.", param="proration_date")


def _plain(params: Params, items: Sequence[Obj]) -> list[Obj]:
    """Return a change of the only item in the form of the earliest versions."""
    given: Obj = {name: params[name] for name in ("plan", "quantity") if params.get(name)}
    if not given:
        return []
    if len(items) != 1:
        raise invalid("`plan` and `quantity` need a subscription of one item; use `items`.", next(iter(given)))
    if "quantity" in given:
        given["quantity"] = int(given["quantity"])
    return [{"id": items[0]["id"], **given}]
