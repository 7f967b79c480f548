"""The parts of a Checkout session that say how its page behaves."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.values import Obj

BRANDING: Final = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#0074d4",
    "display_name": "Tollhouse sandbox",
    "font_family": "default",
    "icon": None,
    "logo": None,
}
TEXTS: Final = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
BANK_DEBITS: Final = {"usd": "us_bank_account", "eur": "sepa_debit"}
CUSTOM_FIELDS_MAX: Final = 3
OPTIONS: Final[dict[str, Obj]] = {
    "card": {"request_three_d_secure": "automatic"},
    "us_bank_account": {
        "financial_connections": {"permissions": ["payment_method"], "prefetch": []},
        "verification_method": "automatic",
    },
}


def customer_details() -> Obj:
    """Return the buyer's details while nothing is known of them."""
    names = ("address", "business_name", "email", "individual_name", "name", "phone", "tax_exempt", "tax_ids")
    return dict.fromkeys(names)


def read(params: Params, mode: str) -> Obj:
    """Return the fields that the parameters set, each filled up to what Stripe shows."""
    fields: Obj = {
        "adaptive_pricing": {"enabled": mode == "payment"} | params.get("adaptive_pricing", {}),
        "after_expiration": _after_expiration(params),
        "automatic_tax": _automatic_tax(params),
        "branding_settings": BRANDING | {k: v for k, v in params.get("branding_settings", {}).items() if k in BRANDING},
        "collected_information": dict.fromkeys(("business_name", "individual_name", "shipping_details")),
        "consent_collection": _consent_collection(params),
        "custom_fields": _custom_fields(params.get("custom_fields", ())),
        "custom_text": {name: params.get("custom_text", {}).get(name) or None for name in TEXTS},
        "invoice_creation": _invoice_creation(params, mode),
        "payment_method_collection": params.get(
            "payment_method_collection", "if_required" if mode == "payment" else "always"
        ),
        "permissions": params.get("permissions"),
        "phone_number_collection": {"enabled": False} | params.get("phone_number_collection", {}),
        "wallet_options": params.get("wallet_options"),
    }
    if "tax_id_collection" in params:
        fields["tax_id_collection"] = {"required": "never"} | params["tax_id_collection"]
    if "customer" in params and mode != "setup":
        usual = {
            "allow_redisplay_filters": ["always"],
            "payment_method_remove": "disabled",
            "payment_method_save": None,
        }
        fields["saved_payment_method_options"] = usual | params.get("saved_payment_method_options", {})
    return fields


def payment_methods(session: Obj, params: Params) -> Obj:
    """Return how the session can be paid: as it was asked for, or by card and the bank debit of its currency."""
    asked: list[str] | None = params.get("allowed_payment_method_types") or params.get("payment_method_types")
    usual = ["card", *filter(None, [BANK_DEBITS.get(session["currency"] or "")])]
    excluded = params.get("excluded_payment_method_types", ())
    types = [each for each in asked or usual if each not in excluded]
    if not types:
        raise invalid("No payment method types are left to pay with.", "excluded_payment_method_types")
    options = {name: OPTIONS[name] for name in types if name in OPTIONS}
    for name, given in params.get("payment_method_options", {}).items():
        options[name] = options.get(name, {}) | given
    return {
        "payment_method_types": types,
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "payment_method_options": options,
    }


def _after_expiration(params: Params) -> Obj | None:
    asked = params.get("after_expiration")
    if asked is None or "recovery" not in asked:
        return None
    usual: Obj = {"allow_promotion_codes": False, "expires_at": None, "url": None}
    return {"recovery": usual | asked["recovery"]}


def _automatic_tax(params: Params) -> Obj:
    is_on = params.get("automatic_tax", {}).get("enabled", False)
    if not is_on:
        return {"enabled": False, "liability": None, "provider": None, "status": None}
    return {"enabled": True, "liability": {"type": "self"}, "provider": "stripe", "status": "complete"}


def _consent_collection(params: Params) -> Obj | None:
    if "consent_collection" not in params:
        return None
    usual: Obj = {"payment_method_reuse_agreement": None, "promotions": None, "terms_of_service": None}
    return usual | params["consent_collection"]


def _invoice_creation(params: Params, mode: str) -> Obj | None:
    if mode != "payment":
        return None
    asked = params.get("invoice_creation", {})
    usual: Obj = {
        "account_tax_ids": None, "custom_fields": None, "description": None, "footer": None, "issuer": None,
        "metadata": {}, "rendering_options": None,
    }  # fmt: skip
    data: Obj = usual | {name: each or None for name, each in asked.get("invoice_data", {}).items()}
    if data["issuer"] is None and asked.get("enabled"):
        data["issuer"] = {"type": "self"}
    if data["rendering_options"] is not None:
        data["rendering_options"] = {"amount_tax_display": None, "template": None} | data["rendering_options"]
    data["metadata"] = data["metadata"] or {}
    return {"enabled": asked.get("enabled", False), "invoice_data": data}


def _custom_fields(given: Any) -> list[Obj]:
    if len(given) > CUSTOM_FIELDS_MAX:
        raise invalid(f"You can have at most {CUSTOM_FIELDS_MAX} custom fields.", "custom_fields")
    keys = [params["key"] for params in given]
    if len(set(keys)) < len(keys):
        raise invalid("The keys of custom fields must be unique.", "custom_fields")
    return [_custom_field(params, f"custom_fields[{place}]") for place, params in enumerate(given)]


def _custom_field(params: Params, name: str) -> Obj:
    kind: str = params["type"]
    if kind == "dropdown" and not params.get("dropdown", {}).get("options"):
        raise invalid("You must provide `options` for a dropdown.", f"{name}[dropdown][options]", "parameter_missing")
    limits: Obj = {} if kind == "dropdown" else {"maximum_length": None, "minimum_length": None}
    return {
        "key": params["key"],
        "label": params["label"],
        "optional": params.get("optional", False),
        "type": kind,
        kind: limits | {"default_value": None, "value": None} | params.get(kind, {}),
    }
