"""The operations on setup intents. Source: docs.stripe.com/api/setup_intents."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import TEXTS, Earlier
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.payments import intent_fields, payment_methods, setup_intents
from tollhouse.sandbox.resources.payments.payment_intent_params import check_connect
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

KIND: Final = "setup_intent"
PATH: Final = "/v1/setup_intents"
EARLIER: Final = {"payment_method_types": Earlier(TEXTS)}
PLAIN: Final = ("attach_to_self", "description", "flow_directions", "usage")
ONLY_CONFIRMED: Final = ("return_url", "mandate_data", "single_use")


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Create an intent, and with `confirm` set its payment method up at once."""
    check_connect(params)
    if not params.get("confirm"):
        intent_fields.check_unconfirmed(params, *ONLY_CONFIRMED)
    fields = intent_fields.read_types(world, params, list(intent_fields.SETUP_TYPES))
    fields |= {name: params[name] for name in PLAIN if name in params}
    method = intent_fields.read_method(world, params)
    if method is not None:
        payment_methods.check_owner(method, params.get("customer"))
        fields["payment_method"] = method["id"]
    intent = setup_intents.open(
        world,
        customer=params.get("customer") or None,
        payment_method_options=params.get("payment_method_options"),
        metadata=merge_metadata(None, params.get("metadata")),
        **fields,
    )
    return _confirm(world, intent, params, method) if params.get("confirm") else intent


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return an intent."""
    intent = _find(world, id)
    intent_fields.check_secret(intent, params)
    return intent


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List intents, by customer or payment method."""
    names = ("customer", "payment_method", "attach_to_self")
    return read_page(world, KIND, params, PATH, **{name: params[name] for name in names if name in params})


@operation("POST", PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change an intent, as far as its payment method is not set up yet."""
    intent = _find(world, id)
    if params.keys() - {"metadata", "description"}:
        intent_fields.check_status(intent, setup_intents.CONFIRMABLE, "updated")
    changes: dict[str, Any] = {name: params[name] or None for name in PLAIN if name in params}
    if "customer" in params:
        intent[HIDDEN] = {**intent[HIDDEN], **intent_fields.hide(world, params["customer"], None)}
        changes["customer"] = params["customer"] or None
    if "metadata" in params:
        changes["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    if {"payment_method_types", "allowed_payment_method_types"} & params.keys():
        changes |= intent_fields.read_types(world, params, intent["payment_method_types"])
    types = changes.get("payment_method_types", intent["payment_method_types"])
    changes["payment_method_options"] = intent_fields.read_options(
        world, KIND, types, params.get("payment_method_options"), intent["payment_method_options"]
    )
    method = intent_fields.read_method(world, params)
    if method is not None:
        payment_methods.check_owner(method, changes.get("customer", intent["customer"]))
        changes |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    return world.change(intent, changes)


@operation("POST", PATH + "/{id}/confirm")
def confirm(world: World, params: Params, /, *, id: str) -> Obj:
    """Set a payment method up."""
    intent = _find(world, id)
    return _confirm(world, intent, params, intent_fields.read_method(world, params))


@operation("POST", PATH + "/{id}/cancel")
def cancel(world: World, params: Params, /, *, id: str) -> Obj:
    """Cancel an intent."""
    return setup_intents.cancel(world, _find(world, id), params.get("cancellation_reason"))


def _find(world: World, id: str) -> Obj:
    found = world.find(KIND, id)
    if found is None:
        raise StripeError(f"No such setupintent: '{id}'", status=404, code="resource_missing", param="intent")
    return found


def _confirm(world: World, intent: Obj, params: Params, method: Obj | None) -> Obj:
    method = method or world.find(payment_methods.KIND, intent["payment_method"])
    if method is None:
        raise StripeError(
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either update the"
            " SetupIntent with a payment method and then confirm it again, or confirm it again directly with a payment"
            " method or ConfirmationToken.",
            code="setup_intent_unexpected_state",
            setup_intent=intent,
        )
    intent_fields.check_status(intent, setup_intents.CONFIRMABLE, "confirmed")
    intent_fields.check_confirmation(intent, method, params)
    return setup_intents.confirm(
        world,
        intent,
        method,
        return_url=params.get("return_url"),
        uses_sdk=not params.get("return_url"),
        mandate_data=params.get("mandate_data") or None,
    )
