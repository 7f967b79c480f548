"""What Stripe refuses when a Checkout session is created: what goes with what, and how much, how long."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid, missing, parameter_missing
from tollhouse.sandbox.resources.billing import billing_cycles, unsimulated
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import part

EXPIRY_SECONDS_MIN: Final = 30 * 60
EXPIRY_SECONDS_MAX: Final = DAY_SECONDS
URL_LENGTH_MAX: Final = 5_000
REFERENCE_LENGTH_MAX: Final = 200
EXCLUSIVE: Final = (("customer", "customer_email"), ("allow_promotion_codes", "discounts"))
# Which modes a parameter goes with; those that are not named go with all.
MODES: Final = {
    "payment_intent_data": ("payment",),
    "invoice_creation": ("payment",),
    "shipping_options": ("payment",),
    "subscription_data": ("subscription",),
    "payment_method_collection": ("subscription",),
    "setup_intent_data": ("setup",),
    "line_items": ("payment", "subscription"),
    "discounts": ("payment", "subscription"),
    "allow_promotion_codes": ("payment", "subscription"),
    "automatic_tax": ("payment", "subscription"),
    "customer_creation": ("payment", "setup"),
    "submit_type": ("payment", "subscription"),
}
UNSIMULATED: Final = ("customer_account", "managed_payments", "optional_items")
ISSUERS: Final = (("subscription_data", "invoice_settings"), ("invoice_creation", "invoice_data"))
EMBEDDED: Final = ("embedded_page", "form", "elements")
UI_MODES: Final = ("hosted_page", *EMBEDDED)
# As they were called before this version.
EARLIER_UI_MODES: Final = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}
UI_MODES_SINCE: Final = "2026-03-25"


def check(world: World, params: Params, mode: str, ui_mode: str) -> None:
    """Raise `StripeError` 400 for what does not go together."""
    _check_simulated(params)
    _check_exclusive(params)
    _check_modes(params, mode)
    _check_urls(params, ui_mode)
    _check_expiry(world, params)
    config = part(part(params.get("subscription_data")).get("billing_cycle_anchor_config"))
    billing_cycles.check_config(config, "subscription_data[billing_cycle_anchor_config]")
    if mode == "setup" and "currency" not in params and not params.get("payment_method_types"):
        raise invalid("You must specify `currency` when `mode` is `setup`.", "currency", "parameter_missing")
    if "customer_update" in params and "customer" not in params:
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
    if len(params.get("client_reference_id", "")) > REFERENCE_LENGTH_MAX:
        raise invalid(
            f"Invalid string: must be at most {REFERENCE_LENGTH_MAX} characters",
            "client_reference_id",
            "parameter_invalid_string_length",
        )


def read_ui_mode(world: World, params: Params) -> str:
    """Return the kind of page by its newest name. Raises `StripeError` 400 for a name the request's version lacks."""
    given: str = params.get("ui_mode", "hosted_page")
    if (world.version or "") < UI_MODES_SINCE:
        given = EARLIER_UI_MODES.get(given, given)
    if given not in UI_MODES:
        raise invalid(f"Invalid ui_mode: must be one of {', '.join(UI_MODES)}", "ui_mode")
    return given


def _check_simulated(params: Params) -> None:
    """Raise for what the sandbox does not play: nobody is to take silence for a yes."""
    for name in ("payment_intent_data", "setup_intent_data", "subscription_data"):
        unsimulated.refuse(part(params.get(name)), name)
    for name in UNSIMULATED:
        if params.get(name) and not _is_off(params[name]):
            raise invalid(f"The sandbox does not simulate `{name}`.", name)
    if params.get("payment_method_configuration"):  # no session shows one that there is
        id = params["payment_method_configuration"]
        raise missing("payment_method_configuration", id, param="payment_method_configuration", status=400)
    for name, inner in ISSUERS:
        settings = part(part(params.get(name)).get(inner))
        if part(settings.get("issuer")).get("type", "self") != "self":
            raise invalid("The sandbox has one account, which issues all invoices.", f"{name}[{inner}][issuer]")


def _check_exclusive(params: Params) -> None:
    for one, other in EXCLUSIVE:
        if params.get(one) and params.get(other):
            raise invalid(f"You may only specify one of these parameters: {one}, {other}.", one)


def _check_modes(params: Params, mode: str) -> None:
    for name, modes in MODES.items():
        if name in params and mode not in modes and not _is_off(params[name]):
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)


def _is_off(value: object) -> bool:
    """Say whether a flag is given but says no, which goes with everything."""
    return value is False or value in ({"enabled": False}, [])


def _check_urls(params: Params, ui_mode: str) -> None:
    """Raise unless the session leads somewhere when it is complete, in the way of its kind of page."""
    never_redirects = params.get("redirect_on_completion") == "never"
    if ui_mode in EMBEDDED:
        refused, needed = ("success_url", "cancel_url"), "return_url"
        if never_redirects and "return_url" in params:
            raise invalid("`return_url` can not be set if `redirect_on_completion` is `never`.", "return_url")
    else:
        refused, needed = ("return_url", "redirect_on_completion"), "success_url"
    for name in refused:
        if name in params:
            raise invalid(f"`{name}` can not be set if `ui_mode` is `{ui_mode}`. Use `{needed}` instead.", name)
    if needed not in params and not never_redirects:
        raise parameter_missing(needed)
    for name in ("success_url", "cancel_url", "return_url"):
        if name in params:
            check_url(params[name], name)


def check_url(url: str, name: str) -> None:
    """Raise `StripeError` 400 unless this is a web address a browser can be sent to."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or len(url) > URL_LENGTH_MAX or any(ord(each) <= 32 for each in url):
        raise invalid("Not a valid URL", name, "url_invalid")


def _check_expiry(world: World, params: Params) -> None:
    if "expires_at" not in params:
        return
    seconds = params["expires_at"] - world.now()
    if seconds < EXPIRY_SECONDS_MIN:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", "expires_at"
        )
    if seconds > EXPIRY_SECONDS_MAX:
        raise invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", "expires_at"
        )
