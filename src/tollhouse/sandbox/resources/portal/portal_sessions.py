"""Sessions of the billing portal. Source: docs.stripe.com/api/customer_portal/sessions."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.checkout.checkout_rules import check_url
from tollhouse.sandbox.resources.portal import portal_configurations
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

KIND: Final = "billing_portal.session"
PATH: Final = "/v1/billing_portal/sessions"
# The parts of a flow, of which each has its own alone, with the feature that it needs.
FLOWS: Final = {
    "customer_update": "customer_update",
    "payment_method_update": "payment_method_update",
    "subscription_cancel": "subscription_cancel",
    "subscription_pause": "subscription_pause",
    "subscription_update": "subscription_update",
    "subscription_update_confirm": "subscription_update",
}
UNPLAYED: Final = ("subscription_pause",)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a session of a customer's; its `url` is the way in."""
    if "customer" not in params:
        raise parameter_missing("customer")
    customer = world.get("customer", params["customer"], param="customer")
    configuration = _find_configuration(world, params)
    return_url = params.get("return_url", configuration["default_return_url"])
    if return_url is not None:
        check_url(return_url, "return_url")
    session = world.new(
        KIND,
        configuration=configuration["id"],
        customer=customer["id"],
        locale=params.get("locale"),
        return_url=return_url,
        flow=_read_flow(world, params["flow_data"], customer, configuration) if "flow_data" in params else None,
    )
    session["url"] = f"{world.url}/portal/{session['id']}"
    world.save(session)
    world.emit("billing_portal.session.created", session)
    return session


def _find_configuration(world: World, params: Params) -> Obj:
    if "configuration" not in params:
        return portal_configurations.find_default(world)
    configuration = world.get(portal_configurations.KIND, params["configuration"], param="configuration")
    if not configuration["active"]:
        raise invalid("The configuration is not active.", "configuration")
    return configuration


def _read_flow(world: World, given: Params, customer: Obj, configuration: Obj) -> Obj:
    """Return the flow in full. Raises `StripeError` 400 for what it lacks, and for what the portal does not allow."""
    kind: str = given["type"]
    if kind in UNPLAYED:
        raise invalid(f"The sandbox's portal does not simulate the flow `{kind}`.", "flow_data[type]")
    if not configuration["features"][FLOWS[kind]]["enabled"]:
        raise invalid(
            f"This configuration does not allow the flow `{kind}`: its feature `{FLOWS[kind]}` is disabled.",
            "flow_data[type]",
        )
    flow: Obj = dict.fromkeys(name for name in FLOWS if name != "payment_method_update") | {"type": kind}
    flow["after_completion"] = _after_completion(given.get("after_completion"))
    if kind.startswith("subscription_"):
        part = given.get(kind)
        if part is None:
            raise parameter_missing(f"flow_data[{kind}]")
        name = f"flow_data[{kind}][subscription]"
        subscription = world.get("subscription", part["subscription"], param=name)
        if subscription["customer"] != customer["id"]:
            raise invalid("The subscription does not belong to this customer.", name)
        flow[kind] = _fill_up(kind, part)
    elif kind == "customer_update":
        flow[kind] = {}
    return flow


def _after_completion(given: Params | None) -> Obj:
    usual: Obj = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    if given is None:
        return usual
    if given["type"] == "redirect":
        if "redirect" not in given:
            raise parameter_missing("flow_data[after_completion][redirect]")
        check_url(given["redirect"]["return_url"], "flow_data[after_completion][redirect][return_url]")
    confirmation = given.get("hosted_confirmation")
    filled = None if confirmation is None else {"custom_message": None} | confirmation
    return usual | given | {"hosted_confirmation": filled}


def _fill_up(kind: str, part: Params) -> Obj:
    if kind == "subscription_cancel":
        return {"retention": None} | part
    if kind == "subscription_update_confirm":
        items = [{"price": None} | each for each in part["items"]]
        offs = [{"coupon": None, "promotion_code": None} | each for each in part.get("discounts", ())]
        return part | {"items": items, "discounts": offs or None}
    return dict(part)
