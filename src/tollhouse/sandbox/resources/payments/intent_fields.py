"""What payment intents and setup intents have in common: their secret, and the ways to pay that they take.

Source: docs.stripe.com/api/payment_intents and docs.stripe.com/api/setup_intents.
"""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.payments.payment_method_details import take_fields
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World, clock_of
from tollhouse.sandbox.values import Obj, is_object

SECRET_LENGTH: Final = 25
# From this version on, an intent that says nothing takes all ways to pay that the account has switched on.
AUTOMATIC_SINCE: Final = "2023-08-16"
# From this version on, what moved the balance comes a moment after a payment.
ASYNC_SINCE: Final = "2024-04-10"
TYPES_USUAL: Final = ("card", "link")
TYPES_BY_CURRENCY: Final = {
    "aud": ("au_becs_debit",),
    "cad": ("acss_debit",),
    "eur": ("bancontact", "ideal", "sepa_debit"),
    "gbp": ("bacs_debit",),
    "jpy": ("konbini",),
    "usd": ("us_bank_account",),
}
SETUP_TYPES: Final = ("card", "link", "sepa_debit", "us_bank_account")
OPTIONS_USUAL: Final[dict[str, Obj]] = {
    "acss_debit": {"verification_method": "automatic"},
    "card": {"request_three_d_secure": "automatic"},
    "sepa_debit": {"mandate_options": {}},
    "us_bank_account": {
        "financial_connections": {"permissions": ["payment_method"], "prefetch": []},
        "mandate_options": {},
        "transaction_purpose": "unspecified",
        "verification_method": "automatic",
    },
}
DEBITS: Final = frozenset({"acss_debit", "au_becs_debit", "bacs_debit", "sepa_debit", "us_bank_account"})
NEEDS_MANDATE: Final = frozenset({"sepa_debit", "us_bank_account"})


def make_secret(world: World, id: str) -> str:
    """Return what a browser shows to act on an intent."""
    return f"{id}_secret_{world.ids.text(SECRET_LENGTH)}"


def hide(world: World, customer: str | None, hidden: Obj | None) -> Obj:
    """Return what is kept with an intent, the customer's test clock among it.

    Raises `StripeError` 400 for a customer that is not there.
    """
    owner = world.get("customer", customer, param="customer") if customer else {}
    return {**(hidden or {}), "test_clock": clock_of(owner)}


def usual_capture(world: World) -> str:
    """Return how an intent is captured of which nobody says it: by the request's version, or by the newest without one.

    A request that names no version is an older account's; what a page or the time brings is the sandbox's own.
    """
    is_own = world.request["id"] is None
    return "automatic_async" if is_own or (world.version or "") >= ASYNC_SINCE else "automatic"


def types_of(currency: str) -> list[str]:
    """Return the ways to pay in a currency."""
    return [*TYPES_USUAL, *TYPES_BY_CURRENCY.get(currency, ())]


def read_types(world: World, params: Params, usual: list[str]) -> Obj:
    """Return the fields that tell the ways to pay, as newer and older requests choose them."""
    automatic: Obj = params.get("automatic_payment_methods") or {}
    allowed = params.get("allowed_payment_method_types") or None
    given = params.get("payment_method_types")
    excluded = params.get("excluded_payment_method_types") or None
    if given and automatic.get("enabled"):
        raise invalid(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            "payment_method_types",
        )
    chosen = given or allowed
    is_automatic = not chosen and automatic.get("enabled", (world.version or "") >= AUTOMATIC_SINCE)
    redirects = automatic.get("allow_redirects", "always")
    types: list[str] = list(chosen or (usual if is_automatic else ["card"]))
    return {
        "allowed_payment_method_types": allowed,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": redirects} if is_automatic else None,
        "excluded_payment_method_types": excluded,
        "payment_method_types": [each for each in types if each not in (excluded or ())],
    }


def read_options(world: World, kind: str, types: list[str], given: Obj | None, known: Obj | None = None) -> Obj:
    """Return the options of each way to pay, the given ones over the known and the usual ones."""
    schemas = world.description.schemas[kind]["properties"]["payment_method_options"]["properties"]
    options: Obj = {}
    for type in types:
        if type not in schemas:
            continue
        described = schemas[type].get("properties", {})
        told: Obj = given.get(type) or {} if given else {}
        usual = {name: value for name, value in OPTIONS_USUAL.get(type, {}).items() if name in described}
        chosen = {name: value for name, value in told.items() if name in described and value != ""}
        options[type] = take_fields(schemas[type], usual) | usual | (known or {}).get(type, {}) | chosen
    return options


def options_of(intent: Obj, type: str) -> Obj:
    """Return an intent's options for a way to pay."""
    options: Obj = intent["payment_method_options"] or {}
    return options.get(type) or {}


def read_method(world: World, params: Params) -> Obj | None:
    """Return the payment method that a request names, by an id or by its data, or None when it names none."""
    if params.get("confirmation_token"):
        raise invalid(
            f"No such confirmation_token: '{params['confirmation_token']}'", "confirmation_token", "resource_missing"
        )
    data = params.get("payment_method_data")
    if is_object(data):
        return payment_methods.create(world, data["type"], data, data.get("billing_details"))
    given = params.get("payment_method") or params.get("source")
    if not given:
        return None
    return payment_methods.resolve(world, given)


def check_method(intent: Obj, method: Obj, noun: str) -> None:
    """Raise `StripeError` 400 unless the intent may be confirmed with this payment method."""
    payment_methods.check_owner(method, intent["customer"])
    if method["type"] not in intent["payment_method_types"]:
        allowed = ", ".join(intent["payment_method_types"])
        raise invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this {noun}. Please attempt again with"
            f" another PaymentMethod of one of these types: {allowed}.",
            "payment_method",
        )


def check_confirmation(intent: Obj, method: Obj, params: Params) -> None:
    """Raise `StripeError` 400 unless a request that confirms an intent says all that is needed for that."""
    automatic: Obj = intent["automatic_payment_methods"] or {}
    is_redirected = automatic.get("enabled") and automatic.get("allow_redirects") != "never"
    if is_redirected and not params.get("return_url") and not params.get("use_stripe_sdk"):
        raise invalid(
            f"This {_noun(intent)} is configured to accept payment methods enabled in your Dashboard. Because some of"
            " these payment methods might redirect your customer off of your page, you must provide a `return_url`. If"
            " you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to"
            " `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and"
            " Payment Intents.",
            "return_url",
        )
    is_saved = method["customer"] is not None or method[HIDDEN].get("mandate") or params.get("mandate")
    if method["type"] in NEEDS_MANDATE and not is_saved and not params.get("mandate_data"):
        raise invalid(
            f"A PaymentMethod of type {method['type']} cannot be used without a mandate: provide `mandate_data`, or a"
            " PaymentMethod that was set up before.",
            "mandate_data",
        )


def check_unconfirmed(params: Params, *names: str) -> None:
    """Raise `StripeError` 400 for parameters that make no sense before an intent is confirmed."""
    for name in names:
        if params.get(name):
            raise invalid(
                f"The parameter `{name}` cannot be passed when creating an intent without confirm=true.", name
            )


def make_next_action(world: World, intent: Obj, return_url: str | None, *, uses_sdk: bool) -> Obj:
    """Return where the customer is asked; `uses_sdk` leaves it to the client's library to lead there and back."""
    url = f"{world.url}/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    if uses_sdk:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def check_status(intent: Obj, allowed: tuple[str, ...], done: str) -> None:
    """Raise `StripeError` 400 unless the intent is where this can be `done` to it."""
    status: str = intent["status"]
    if status in allowed:
        return
    kind: str = intent["object"]
    noun = _noun(intent)
    message = (
        f"This {noun} could not be {done} because it has a status of {status}. Only a {noun} with one of the following"
        f" statuses may be {done}: {', '.join(allowed)}."
    )
    if status == "succeeded" and done == "confirmed":
        message = f"You cannot confirm this {noun} because it has already succeeded after being previously confirmed."
    evidence: dict[str, Any] = {kind: intent}
    raise StripeError(message, code=f"{kind}_unexpected_state", **evidence)


def check_secret(intent: Obj, params: Params) -> None:
    """Raise `StripeError` 400 if a client secret is given that is another's."""
    if params.get("client_secret", intent["client_secret"]) != intent["client_secret"]:
        raise invalid(
            f"The client_secret provided does not match the client_secret associated with the {_noun(intent)}.",
            "client_secret",
            f"{intent['object']}_invalid_parameter",
        )


def _noun(intent: Obj) -> str:
    return "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
