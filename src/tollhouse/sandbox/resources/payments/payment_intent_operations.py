"""The operations on payment intents. Source: docs.stripe.com/api/payment_intents."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import TEXTS, Earlier
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.catalogue.price_terms import read_currency
from tollhouse.sandbox.resources.payments import intent_fields, mandates, payment_intents, payment_methods
from tollhouse.sandbox.resources.payments.payment_intent_params import (
    MANAGED_STATUSES,
    check_connect,
    check_update,
    read_fields,
)
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

KIND: Final = "payment_intent"
PATH: Final = "/v1/payment_intents"
EARLIER: Final = {"payment_method_types": Earlier(TEXTS), "source": Earlier()}
ONLY_CONFIRMED: Final = ("off_session", "return_url", "mandate_data", "mandate", "error_on_requires_action")


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Create an intent, and with `confirm` pay it at once."""
    check_connect(params)
    if not params.get("confirm"):
        intent_fields.check_unconfirmed(params, *ONLY_CONFIRMED)
    currency = read_currency(params["currency"])
    fields = intent_fields.read_types(world, params, intent_fields.types_of(currency))
    fields |= read_fields(params)
    method = intent_fields.read_method(world, params)
    if method is not None:
        payment_methods.check_owner(method, params.get("customer"))
        fields["payment_method"] = method["id"]
    intent = payment_intents.open(
        world,
        amount=params["amount"],
        currency=currency,
        customer=params.get("customer") or None,
        payment_method_options=params.get("payment_method_options"),
        metadata=merge_metadata(None, params.get("metadata")),
        **fields,
    )
    return _confirm(world, intent, params, method) if params.get("confirm") else intent


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search."""
    return search(world, KIND, params, PATH + "/search")


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return an intent."""
    intent = _find(world, id)
    intent_fields.check_secret(intent, params)
    return intent


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List intents, a customer's or all."""
    return read_page(world, KIND, params, PATH, **{name: params[name] for name in ("customer",) if name in params})


@operation("POST", PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change an intent, as far as it is not paid yet."""
    check_connect(params)
    return _update(world, _find(world, id), params)


@operation("POST", PATH + "/{id}/confirm", earlier=EARLIER)
def confirm(world: World, params: Params, /, *, id: str) -> Obj:
    """Pay an intent."""
    intent = _find(world, id)
    intent_fields.check_status(intent, MANAGED_STATUSES, "confirmed")
    method = intent_fields.read_method(world, params)
    kept = {name: value for name, value in params.items() if name not in {"payment_method", "payment_method_data"}}
    return _confirm(world, _update(world, intent, kept), params, method)


@operation("POST", PATH + "/{id}/capture")
def capture(world: World, params: Params, /, *, id: str) -> Obj:
    """Take what is held."""
    intent = _find(world, id)
    if params.get("final_capture") is False:
        raise invalid("This PaymentIntent is not eligible for multicapture.", "final_capture")
    check_connect(params)
    world.change(intent, read_fields(params))
    if "metadata" in params:
        world.change(intent, {"metadata": merge_metadata(intent["metadata"], params["metadata"])})
    return payment_intents.capture(world, intent, params.get("amount_to_capture"))


@operation("POST", PATH + "/{id}/increment_authorization")
def increment(world: World, params: Params, /, *, id: str) -> Obj:
    """Hold more."""
    intent = _find(world, id)
    world.change(intent, read_fields(params))
    return payment_intents.increment(world, intent, params["amount"])


@operation("POST", PATH + "/{id}/cancel")
def cancel(world: World, params: Params, /, *, id: str) -> Obj:
    """Cancel an intent that is nobody else's: an invoice or a Checkout session cancels its own."""
    intent = _find(world, id)
    if intent[HIDDEN].get("invoice"):
        raise invalid(
            "This PaymentIntent belongs to an invoice and cannot be canceled by itself: void the invoice instead."
        )
    session = world.find("checkout.session", intent[HIDDEN].get("checkout_session"))
    if session is not None and session["status"] == "open":
        raise invalid(
            "This PaymentIntent belongs to a Checkout Session and cannot be canceled by itself: expire the Checkout"
            " Session instead."
        )
    return payment_intents.cancel(world, intent, params.get("cancellation_reason"))


def _find(world: World, id: str) -> Obj:
    found = world.find(KIND, id)
    if found is None:
        raise StripeError(f"No such payment_intent: '{id}'", status=404, code="resource_missing", param="intent")
    return found


def _update(world: World, intent: Obj, params: Params) -> Obj:
    check_update(intent, params)
    changes: dict[str, Any] = read_fields(params)
    if "amount" in params:
        changes["amount"] = params["amount"]
    if "currency" in params:
        changes["currency"] = read_currency(params["currency"])
    if "customer" in params:
        intent[HIDDEN] = {**intent[HIDDEN], **intent_fields.hide(world, params["customer"], None)}
        changes["customer"] = params["customer"]
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


def _confirm(world: World, intent: Obj, params: Params, method: Obj | None) -> Obj:
    method = method or world.find(payment_methods.KIND, intent["payment_method"])
    if method is None:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the"
            " PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a"
            " payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    intent_fields.check_confirmation(intent, method, params)
    if params.get("mandate_data"):
        mandates.grant(world, method, params["mandate_data"])
    return payment_intents.confirm(
        world,
        intent,
        method,
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
        uses_sdk=not params.get("return_url"),
        refuses_challenge=bool(params.get("error_on_requires_action")),
    )
