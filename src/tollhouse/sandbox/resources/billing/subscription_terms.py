"""What a request asks a subscription to be: its items' prices, its trial, its settings.

Source: docs.stripe.com/api/subscriptions/create.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid, missing, parameter_missing
from tollhouse.sandbox.resources.billing import unsimulated
from tollhouse.sandbox.resources.billing.billing_cycles import is_same_interval
from tollhouse.sandbox.resources.catalogue import discounts, prices
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part

ITEMS_MAX: Final = 20
CLOCK_SUBSCRIPTIONS_MAX: Final = 3  # docs.stripe.com/billing/testing/test-clocks
TRIAL_DAYS_MAX: Final = 730
PLAIN: Final = ("description", "default_source")
FLEXIBLE_SINCE: Final = "2025-09-30"  # the API version from which on it is what is not asked for
SETTINGS: Final[Obj] = {
    "payment_method_options": None,
    "payment_method_types": None,
    "save_default_payment_method": "off",
}


def read_billing_mode(given: Mapping[str, Any] | None, version: str | None, now: int) -> Obj:
    """Return the billing mode that is given, or else the one that a request of this API version gets.

    Source: docs.stripe.com/changelog/clover/2025-09-30/billing-mode-default-flexible.
    """
    usual = "classic" if version is not None and version < FLEXIBLE_SINCE else "flexible"
    asked = part(given)
    if asked.get("type", usual) == "classic":
        return {"flexible": None, "type": "classic"}
    flexible = {"proration_discounts": "included", **part(asked.get("flexible"))}
    return {"flexible": flexible, "type": "flexible", "updated_at": now}


def read_price(world: World, given: Mapping[str, Any], at: str, *, old: Obj | None = None) -> Obj:
    """Return the price of an item: named, in the older form of a plan, made here, or the `old` one it has.

    `at` is the bracketed name of the item, or empty. Raises `StripeError` 400.
    """
    if given.get("price"):
        price = world.get("price", given["price"], param=_in(at, "price"))
    elif given.get("plan"):
        found = world.find("price", given["plan"])
        if found is None:
            raise missing("plan", given["plan"], param="plan", status=400)
        price = found
    elif given.get("price_data"):
        return prices.inline(world, given["price_data"], _in(at, "price_data"))
    elif old is not None:
        return old
    else:
        raise parameter_missing(_in(at, "price"))
    if not price["active"] and (old is None or old["id"] != price["id"]):
        raise invalid("The price specified is inactive. This field only accepts active prices.", _in(at, "price"))
    return price


def read_item(world: World, given: Mapping[str, Any], at: str) -> Obj:
    """Return `{"price", "quantity", "metadata", "discounts"}` of a new item."""
    unsimulated.refuse(given, at)
    price = read_price(world, given, at)
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            _in(at, "price"),
        )
    quantity = given.get("quantity", 1)
    if quantity < 0:
        raise invalid("Invalid non-negative integer", _in(at, "quantity"), "parameter_invalid_integer")
    asked = discounts.read_asked(world, given.get("discounts") or (), _in(at, "discounts"))
    return {"price": price, "quantity": quantity, "metadata": dict(part(given.get("metadata"))), "discounts": asked}


def check_items(items: Sequence[Obj], currency: str | None = None) -> str:
    """Return the currency of the items. Raises `StripeError` 400 unless all recur equally and in one currency."""
    if not items:
        raise parameter_missing("items")
    if len(items) > ITEMS_MAX:
        raise invalid(f"A subscription has at most {ITEMS_MAX} items.", "items")
    first = items[0]["price"]
    for item in items:
        if not is_same_interval(item["price"]["recurring"], first["recurring"]):
            raise invalid("The sandbox takes only prices of one interval on a subscription.", "items")
        if currency is None and item["price"]["currency"] != first["currency"]:
            raise invalid("All prices on a subscription must be in the same currency.", "items")
    ids = [item["price"]["id"] for item in items]
    for id in ids:
        if ids.count(id) > 1:
            raise invalid(f"Cannot add multiple subscription items with the same plan: {id}", "items[1][plan]")
    return currency or first["currency"]


def check_customer_currency(world: World, customer: Obj, currency: str) -> None:
    """Raise `StripeError` 400 when the customer's living subscriptions are in another currency."""
    for each in world.every("subscription", customer=customer["id"]):
        if each["status"] not in {"canceled", "incomplete_expired"} and each["currency"] != currency:
            raise invalid(
                "You cannot combine currencies on a single customer. This customer has an active subscription,"
                f" subscription schedule, discount, quote, or invoice item with currency {each['currency']}.",
            )


def check_clock(world: World, customer: Obj) -> None:
    """Raise `StripeError` 400 when a customer of a test clock has as many living subscriptions as it can."""
    if not customer.get("test_clock"):
        return
    own = world.every("subscription", customer=customer["id"])
    if sum(each["status"] not in {"canceled", "incomplete_expired"} for each in own) >= CLOCK_SUBSCRIPTIONS_MAX:
        raise invalid(
            f"You have reached the limit of {CLOCK_SUBSCRIPTIONS_MAX} subscriptions for a customer with a test clock.",
            "customer",
        )


def read_trial(params: Mapping[str, Any], items: Sequence[Obj], now: int) -> int | None:
    """Return when a new subscription's trial ends, or None. Raises `StripeError` 400 for a past or distant one."""
    if params.get("trial_end") is not None and params.get("trial_period_days") is not None:
        raise invalid("You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end")
    days = params.get("trial_period_days")
    if days is None and params.get("trial_from_plan"):
        days = max((item["price"]["recurring"]["trial_period_days"] or 0 for item in items), default=0)
    if days is not None:
        if days > TRIAL_DAYS_MAX:
            raise invalid(f"Trials last at most {TRIAL_DAYS_MAX} days.", "trial_period_days")
        return now + days * DAY_SECONDS if days > 0 else None
    return read_trial_end(params.get("trial_end"), now)


def read_trial_end(given: Any, now: int) -> int | None:
    """Return the end of a trial, or None for "now". Raises `StripeError` 400 unless it lies ahead, within two years."""
    if given in {None, "now", ""}:
        return None
    end = int(given)
    if end <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    if end > now + TRIAL_DAYS_MAX * DAY_SECONDS:
        raise invalid(f"Trials last at most {TRIAL_DAYS_MAX} days.", "trial_end")
    return end


def read_settings(world: World, params: Params, customer: Obj, old: Obj) -> Obj:
    """Return the fields that a request sets as they are, whatever the subscription bills."""
    unsimulated.refuse(params)
    changes: Obj = {name: params[name] or None for name in PLAIN if name in params}
    if "default_payment_method" in params:
        changes["default_payment_method"] = read_method(world, params["default_payment_method"], customer)
    if "payment_settings" in params:
        changes["payment_settings"] = (old["payment_settings"] or SETTINGS) | _filled(params["payment_settings"])
    if "invoice_settings" in params:
        changes["invoice_settings"] = old["invoice_settings"] | _filled(params["invoice_settings"])
    if "trial_settings" in params:
        end: Obj = part(part(old["trial_settings"]).get("end_behavior"))
        end = {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"} | end
        changes["trial_settings"] = {"end_behavior": end | params["trial_settings"]["end_behavior"]}
    if "automatic_tax" in params:
        is_on = params["automatic_tax"]["enabled"]
        changes["automatic_tax"] = {
            "disabled_reason": None, "enabled": is_on, "liability": {"type": "self"} if is_on else None,
        }  # fmt: skip
    return changes | read_collection(params, old)


def read_collection(params: Mapping[str, Any], old: Mapping[str, Any]) -> Obj:
    """Return how and when what is billed is to be paid. Raises `StripeError` 400 for what goes not together."""
    method = params.get("collection_method", old["collection_method"])
    days = params.get("days_until_due", old["days_until_due"])
    if method == "send_invoice" and days is None:
        raise invalid("You must specify `days_until_due` when `collection_method` is `send_invoice`.", "days_until_due")
    if method == "charge_automatically" and params.get("days_until_due") is not None:
        raise invalid("You can only set `days_until_due` when `collection_method` is `send_invoice`.", "days_until_due")
    return {"collection_method": method, "days_until_due": days if method == "send_invoice" else None}


def read_method(world: World, id: str, customer: Obj) -> str | None:
    """Return the id of a payment method of the customer's, or None for an empty one. Raises `StripeError` 400."""
    if not id:
        return None
    method = world.find("payment_method", id)
    if method is None or method["customer"] != customer["id"]:
        raise invalid(
            f"The customer does not have a payment method with the ID {id}. The payment method must be attached to the"
            " customer.",
            "default_payment_method",
            "resource_missing",
        )
    return id


def _filled(given: Mapping[str, Any]) -> Obj:
    return {name: None if value == "" else value for name, value in given.items()}


def _in(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name
