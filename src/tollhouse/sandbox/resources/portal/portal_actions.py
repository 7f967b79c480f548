"""What customers do for themselves in the billing portal, as far as its configuration lets them."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.errors import StripeError, missing
from tollhouse.sandbox.resources.billing import subscription_states, subscription_updates, subscriptions
from tollhouse.sandbox.resources.customers import customers
from tollhouse.sandbox.resources.payments import setup_intents
from tollhouse.sandbox.resources.portal import portal_configurations
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

KIND: Final = "billing_portal.session"
LINK: Final = "portal_session"  # under which a setup intent keeps its session


def find_features(world: World, session: Obj) -> Obj:
    """Return what the session's configuration allows now."""
    features: Obj = world.get(portal_configurations.KIND, session["configuration"])["features"]
    return features


def list_subscriptions(world: World, session: Obj) -> list[Obj]:
    """Return the customer's subscriptions that have not ended, newest first."""
    return [
        each
        for each in world.every("subscription", customer=session["customer"])
        if each["status"] not in subscription_states.ENDED
    ]


def find_subscription(world: World, session: Obj, id: str) -> Obj:
    """Return one of the customer's. Raises `StripeError` 404 for another's, as for none."""
    subscription = world.find("subscription", id)
    if subscription is None or subscription["customer"] != session["customer"]:
        raise missing("subscription", id)
    return subscription


def list_offers(world: World, session: Obj, subscription: Obj) -> list[Obj]:
    """Return the prices that a subscription can be changed to, its own among them.

    They are those of the configuration; the account's own one offers every active price.
    """
    configuration = world.get(portal_configurations.KIND, session["configuration"])
    offered: list[Obj] | None = configuration[HIDDEN]["products"]
    wanted = None if offered is None else {id for each in offered for id in each["prices"]}
    prices = [
        price
        for price in world.every("price", active=True, type="recurring")
        if price["currency"] == subscription["currency"] and (wanted is None or price["id"] in wanted)
    ]
    return sorted(prices, key=lambda price: (price["unit_amount"] or 0, price["id"]))


def find_quantities(world: World, session: Obj, price: Obj) -> tuple[int, int] | None:
    """Return the least and the most of a price that a customer can have, or None if that is not theirs to choose."""
    if "quantity" not in find_features(world, session)["subscription_update"]["default_allowed_updates"]:
        return None
    configuration = world.get(portal_configurations.KIND, session["configuration"])
    offered: list[Obj] | None = configuration[HIDDEN]["products"]
    if offered is None:
        return (1, 999)
    rules = [each["adjustable_quantity"] for each in offered if each["product"] == price["product"]]
    if not rules or not rules[0]["enabled"]:
        return None
    return (rules[0]["minimum"], rules[0]["maximum"] or 999)


def change_plan(world: World, session: Obj, subscription: Obj, price_id: str, quantity: int | None) -> Obj:
    """Change a subscription's price or quantity, and return it. Raises `StripeError` 403 for what is not offered."""
    update = _require(world, session, "subscription_update")
    price = next((each for each in list_offers(world, session, subscription) if each["id"] == price_id), None)
    item = find_item(subscription)
    if price is None:
        raise StripeError("This plan is not offered.", status=403)
    bounds = find_quantities(world, session, price)
    if quantity is not None and (bounds is None or not bounds[0] <= quantity <= bounds[1]):
        raise StripeError("This quantity is not offered.", status=403)
    changed: Params = {"id": item["id"], "price": price_id, "quantity": quantity or item["quantity"]}
    return _update(world, subscription, {"items": [changed], "proration_behavior": update["proration_behavior"]})


def confirm_plan(world: World, session: Obj) -> Obj:
    """Make the change that the session's flow asks to be confirmed, and return the subscription."""
    update = _require(world, session, "subscription_update")
    flow: Obj = session["flow"]["subscription_update_confirm"]
    subscription = find_subscription(world, session, flow["subscription"])
    items = [{name: value for name, value in each.items() if value is not None} for each in flow["items"]]
    params: Params = {"items": items, "proration_behavior": update["proration_behavior"]}
    if flow["discounts"]:
        params["discounts"] = [{name: value for name, value in each.items() if value} for each in flow["discounts"]]
    return _update(world, subscription, params)


def cancel(world: World, session: Obj, subscription: Obj, details: Obj) -> Obj:
    """End a subscription, at its period's end unless the configuration says at once; `details` has `feedback`."""
    feature = _require(world, session, "subscription_cancel")
    asked = feature["cancellation_reason"]
    if details.get("feedback") and not (asked["enabled"] and details["feedback"] in asked["options"]):
        raise StripeError("This is no reason to choose from.")
    if feature["mode"] == "at_period_end":
        return _update(world, subscription, {"cancel_at_period_end": True, "cancellation_details": details})
    behavior = feature["proration_behavior"]
    params: Params = {"prorate": behavior != "none", "invoice_now": behavior == "always_invoice"}
    return subscriptions.delete(world, params | {"cancellation_details": details}, id=subscription["id"])


def keep(world: World, session: Obj, subscription: Obj) -> Obj:
    """Take back a cancellation that has not happened yet."""
    _require(world, session, "subscription_cancel")
    return _update(world, subscription, {"cancel_at_period_end": False})


def change_details(world: World, session: Obj, told: Obj) -> Obj:
    """Change the customer's own details, as far as the configuration allows, and return the customer."""
    allowed: list[str] = _require(world, session, "customer_update")["allowed_updates"]
    params: Params = {name: value for name, value in told.items() if name in allowed}
    return customers.update(world, params, id=session["customer"])


def save_method(world: World, session: Obj, method: Obj, *, return_url: str) -> Obj:
    """Set up a payment method to pay with from now on; return the setup intent, which may wait for a challenge.

    Raises `StripeError` 402 for a card that is declined.
    """
    _require(world, session, "payment_method_update")
    intent = setup_intents.open(
        world,
        customer=session["customer"],
        hidden={LINK: session["id"]},
        usage="off_session",
        payment_method_types=[method["type"]],
    )
    return setup_intents.confirm(world, intent, method, return_url=return_url)


def find_item(subscription: Obj) -> Obj:
    """Return the first item of a subscription, which is the one that the portal changes."""
    item: Obj = subscription["items"]["data"][0]
    return item


@setup_intents.follow
def follow_setup(world: World, intent: Obj, outcome: str) -> None:
    """Let what was set up in the portal pay from now on."""
    session = world.find(KIND, intent.get(HIDDEN, {}).get(LINK))
    if session is None or outcome != "succeeded":
        return
    id: str = intent["payment_method"]
    customers.update(world, {"invoice_settings": {"default_payment_method": id}}, id=session["customer"])
    for subscription in list_subscriptions(world, session):
        if subscription["default_payment_method"] is not None:
            _update(world, subscription, {"default_payment_method": id})


def _require(world: World, session: Obj, name: str) -> Obj:
    feature: Obj = find_features(world, session)[name]
    if not feature["enabled"]:
        raise StripeError("The seller does not let you change this here.", status=403)
    return feature


def _update(world: World, subscription: Obj, params: Params) -> Obj:
    return subscription_updates.update(world, params, id=subscription["id"])
