"""How a Checkout session begins: every field as Stripe shows it, out of the parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing
from tollhouse.sandbox.resources.catalogue.price_terms import read_currency
from tollhouse.sandbox.resources.checkout import checkout_fields, checkout_items, checkout_rules, checkout_totals
from tollhouse.sandbox.resources.payments import setup_intents
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

# As given, or else null.
PLAIN: Final = (
    "allow_promotion_codes", "billing_address_collection", "cancel_url", "client_reference_id", "customer_email",
    "integration_identifier", "locale", "origin_context", "submit_type", "success_url",
    "shipping_address_collection",
)  # fmt: skip
# Part of the session only when it was asked for.
OPTIONAL: Final = ("return_url", "redirect_on_completion", "name_collection", "excluded_payment_method_types")
TRIAL_DAYS_MAX: Final = 730


def create(world: World, params: Params) -> Obj:
    """Return a new open session, saved. Raises `StripeError` 400 for what Stripe refuses."""
    mode = params.get("mode")
    if mode is None:
        raise parameter_missing("mode")
    ui_mode = checkout_rules.read_ui_mode(world, params)
    params = params | {"ui_mode": ui_mode}
    checkout_rules.check(world, params, mode, ui_mode)
    now = world.now()
    session = world.new(
        "checkout.session",
        mode=mode,
        ui_mode=ui_mode,
        status="open",
        expires_at=params.get("expires_at", now + checkout_rules.EXPIRY_SECONDS_MAX),
        metadata=merge_metadata(None, params.get("metadata")),
        **{name: params.get(name) for name in PLAIN},
        **{name: params[name] for name in OPTIONAL if name in params},
    )
    session[HIDDEN] = _keep(world, params)
    session |= checkout_fields.read(params, mode)
    _set_customer(world, session, params)
    if mode == "setup":
        _begin_setup(world, session, params)
    else:
        _set_items(world, session, params)
    session |= checkout_fields.payment_methods(session, params)
    if ui_mode == "hosted_page":
        session["url"] = f"{world.url}/checkout/{session['id']}"
    else:
        session["client_secret"] = f"{session['id']}_secret_{world.ids.text(40)}"
    return world.save(session)


def _keep(world: World, params: Params) -> Obj:
    """Return what is needed later and not shown: what the intent or the subscription is to be made with."""
    given: Params = json.loads(json.dumps(params))  # a copy: for a session recovered from this one
    trial = params.get("subscription_data", {})
    if "trial_end" in trial and "trial_period_days" in trial:
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            "subscription_data[trial_end]",
        )
    days: int | None = trial.get("trial_period_days")
    if days is not None and not 1 <= days <= TRIAL_DAYS_MAX:
        raise invalid(f"Trial periods are between 1 and {TRIAL_DAYS_MAX} days.", "subscription_data[trial_period_days]")
    if "trial_end" in trial and trial["trial_end"] < world.now() + 2 * DAY_SECONDS:
        raise invalid("The `trial_end` date has to be at least 2 days in the future.", "subscription_data[trial_end]")
    kept: Obj = {"given": given, "items": [], "subscription": None, "version": world.version}
    return kept | {"has_trial": "trial_end" in trial or days is not None}


def _set_customer(world: World, session: Obj, params: Params) -> None:
    empty = checkout_fields.customer_details()
    if "customer" in params:
        customer = world.get("customer", params["customer"], param="customer")
        session["customer"] = customer["id"]
        # The tax status is the buyer's own, which a session that only saves a method has no use for.
        exempt = None if session["mode"] == "setup" else customer["tax_exempt"]
        session["customer_details"] = empty | {"email": customer["email"], "tax_exempt": exempt}
    else:
        if "customer_email" in params:
            session["customer_details"] = empty | {"email": params["customer_email"], "tax_exempt": "none"}
        usual = {"payment": "if_required", "subscription": "always", "setup": None}[session["mode"]]
        session["customer_creation"] = params.get("customer_creation", usual)


def _set_items(world: World, session: Obj, params: Params) -> None:
    items = checkout_items.build(world, params.get("line_items", ()), session["mode"], _currency(params))
    session[HIDDEN]["items"] = items
    session["currency"] = items[0]["currency"]
    offer_shipping(world, session, params.get("shipping_options", ()))
    session["discounts"] = checkout_totals.choose_discounts(world, session, params.get("discounts"))
    checkout_totals.reckon(world, session)
    checkout_totals.check_amount(session)
    session["payment_status"] = "unpaid"


def _currency(params: Params) -> str | None:
    return read_currency(params["currency"]) if "currency" in params else None


def _begin_setup(world: World, session: Obj, params: Params) -> None:
    data = params.get("setup_intent_data", {})
    intent = setup_intents.open(
        world,
        customer=session["customer"],
        hidden={"checkout_session": session["id"]},
        description=data.get("description"),
        metadata=merge_metadata(None, data.get("metadata"), "setup_intent_data[metadata]"),
        usage="off_session",
    )
    session |= {"setup_intent": intent["id"], "payment_status": "no_payment_required", "discounts": None}
    session["currency"] = _currency(params)


def offer_shipping(world: World, session: Obj, given: Sequence[Params]) -> None:
    """Let the session be shipped in these ways; in the first of them unless its buyer chooses another."""
    options = [_shipping_option(world, params, f"shipping_options[{place}]") for place, params in enumerate(given)]
    session |= {"shipping_options": options, "shipping_cost": None}
    if options:
        choose_shipping(session, options[0])


def _shipping_option(world: World, params: Params, name: str) -> Obj:
    if "shipping_rate" in params:
        rate = world.get("shipping_rate", params["shipping_rate"], param=f"{name}[shipping_rate]")
    elif "shipping_rate_data" in params:
        rate = _make_rate(world, params["shipping_rate_data"], f"{name}[shipping_rate_data]")
    else:
        raise parameter_missing(f"{name}[shipping_rate]")
    return {"shipping_amount": rate["fixed_amount"]["amount"], "shipping_rate": rate["id"]}


def _make_rate(world: World, data: Params, name: str) -> Obj:
    if "fixed_amount" not in data:
        raise parameter_missing(f"{name}[fixed_amount]")
    estimate = data.get("delivery_estimate")
    rate = world.new(
        "shipping_rate",
        active=True,
        type="fixed_amount",
        display_name=data["display_name"],
        fixed_amount={"amount": data["fixed_amount"]["amount"], "currency": data["fixed_amount"]["currency"]},
        delivery_estimate=None if estimate is None else {"minimum": None, "maximum": None} | estimate,
        metadata=merge_metadata(None, data.get("metadata"), f"{name}[metadata]"),
        tax_behavior=data.get("tax_behavior", "unspecified"),
        tax_code=data.get("tax_code"),
    )
    if rate["fixed_amount"]["amount"] < 0:
        raise StripeError("Invalid non-negative integer", param=f"{name}[fixed_amount][amount]")
    return world.save(rate)


def choose_shipping(session: Obj, option: Obj) -> None:
    """Let the session be shipped this way."""
    amount = option["shipping_amount"]
    session["shipping_cost"] = {
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "shipping_rate": option["shipping_rate"],
    }
