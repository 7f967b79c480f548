"""What a buyer types on Checkout's page besides the card."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from tollhouse.sandbox import money
from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.formats import ADDRESS, DIGITS, EMAIL
from tollhouse.sandbox.pages.payment_form import FormErrorsFound, check_texts
from tollhouse.sandbox.pages.site import Form, text_of
from tollhouse.sandbox.pages.words import write_day, write_rhythm
from tollhouse.sandbox.resources.catalogue import prices
from tollhouse.sandbox.resources.checkout import checkout_buyer
from tollhouse.sandbox.resources.checkout.checkout_items import is_recurring
from tollhouse.sandbox.resources.customers import tax_ids
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

NEEDED: Final = ("line1", "city", "postal_code")
COUNTRY: Final = re.compile(r"[A-Za-z]{2}\Z")
QUANTITY: Final = re.compile(r"[0-9]{1,9}\Z")
TAX_IDS: Final = {"eu_vat": "EU VAT", "gb_vat": "UK VAT", "us_ein": "US EIN"}


def read(session: Obj, form: Form) -> Obj:
    """Return the details that `checkout_sessions.pay` takes.

    Raises `FormErrorsFound` for what is missing or out of the session's bounds.
    """
    check_texts(form)
    errors: dict[str, str] = {}
    details: Obj = {"address": _address(form, ""), "quantities": _quantities(session, form, errors)}
    if not checkout_buyer.is_known(session):
        details["email"] = text_of(form, "email")
        if not EMAIL.match(details["email"]):
            errors["email"] = "Enter an e-mail address, as in name@example.com."
    if text_of(form, "name"):
        details["name"] = text_of(form, "name")
    _read_places(session, form, details, errors)
    _read_tax_id(session, form, details, errors)
    _read_consent(session, form, details, errors)
    details["custom_fields"] = _custom_fields(session, form, errors)
    if errors:
        raise FormErrorsFound(errors)
    return details


def preview(world: World, session: Obj, details: Obj) -> Obj:
    """Return the session as it will be with what was told, to see whether there is anything left to pay."""
    later = copy.deepcopy(session)
    checkout_buyer.take_details(world, later, None, details)
    return later


def describe(world: World, session: Obj) -> str:
    """Return what the buyer agrees to, in a sentence, as in `Then $10.00 per month, until you cancel`."""
    recurring = [item for item in session[HIDDEN]["items"] if is_recurring(item)]
    if not recurring:
        return ""
    price = recurring[0]["price"]
    whole = sum(prices.amount(item["price"], item["quantity"], item["currency"]) for item in recurring)
    cost = f"{money.show(whole, session['currency'])} {write_rhythm(price)}"
    if not session[HIDDEN]["has_trial"]:
        return f"Then {cost}, until you cancel."
    data: Obj = session[HIDDEN]["given"]["subscription_data"]
    end = data.get("trial_end") or world.now() + data["trial_period_days"] * DAY_SECONDS
    return f"Free until {write_day(end)}, then {cost}, until you cancel."


def _address(form: Form, prefix: str) -> Obj:
    address: Obj = {name: text_of(form, prefix + name) or None for name in ADDRESS}
    return address | {"country": text_of(form, prefix + "country").upper() or None}


def _require(form: Form, errors: dict[str, str], prefix: str, *more: str) -> None:
    for name in (*more, *NEEDED):
        if not text_of(form, prefix + name):
            errors[prefix + name] = "This is needed."


def _quantities(session: Obj, form: Form, errors: dict[str, str]) -> dict[str, int]:
    """Return the quantities by item, as far as they can be changed."""
    wanted: dict[str, int] = {}
    for item in session[HIDDEN]["items"]:
        typed = text_of(form, f"quantity_{item['id']}")
        rule = item["adjustable_quantity"]
        if not typed or rule is None or not rule["enabled"]:
            continue
        least, most = rule["minimum"] or 0, rule["maximum"] or 99
        if not QUANTITY.match(typed) or not least <= int(typed) <= most:
            errors[f"quantity_{item['id']}"] = f"Enter a number from {least} to {most}."
        else:
            wanted[item["id"]] = int(typed)
    return wanted


def _read_places(session: Obj, form: Form, details: Obj, errors: dict[str, str]) -> None:
    for name in ("country", "shipping_country"):
        if text_of(form, name) and not COUNTRY.match(text_of(form, name)):
            errors[name] = "Enter two letters, as in US."
    if session["billing_address_collection"] == "required":
        _require(form, errors, "")
    if session["phone_number_collection"]["enabled"]:
        details["phone"] = text_of(form, "phone")
        if not details["phone"]:
            errors["phone"] = "Enter a phone number."
    if session["shipping_address_collection"] is not None:
        _require(form, errors, "shipping_", "name")
        details["shipping"] = {"name": text_of(form, "shipping_name"), "address": _address(form, "shipping_")}
    if text_of(form, "shipping_rate"):
        details["shipping_rate"] = text_of(form, "shipping_rate")


def _read_tax_id(session: Obj, form: Form, details: Obj, errors: dict[str, str]) -> None:
    kind, value = text_of(form, "tax_id_type") or "eu_vat", text_of(form, "tax_id")
    if not value or not session.get("tax_id_collection", {}).get("enabled"):
        return
    if kind not in TAX_IDS:
        errors["tax_id"] = "Choose one of the kinds of tax number."
        return
    try:
        tax_ids.check(kind, value)
    except StripeError as error:
        errors["tax_id"] = str(error)
    details["tax_ids"] = [{"type": kind, "value": value}]


def _read_consent(session: Obj, form: Form, details: Obj, errors: dict[str, str]) -> None:
    asked: Obj = session["consent_collection"] or {}
    consent: dict[str, Any] = {}
    if asked.get("terms_of_service") == "required":
        if "terms" not in form:
            errors["terms"] = "Agree to the seller's terms to go on."
        consent["terms_of_service"] = "accepted"
    if asked.get("promotions") == "auto":
        consent["promotions"] = "opt_in" if "promotions" in form else "opt_out"
    details["consent"] = consent


def _custom_fields(session: Obj, form: Form, errors: dict[str, str]) -> dict[str, str]:
    """Return the values of the seller's own fields by their keys."""
    values: dict[str, str] = {}
    for field in session["custom_fields"]:
        name = f"custom_{field['key']}"
        value = text_of(form, name)
        fault = _find_fault(field, value)
        if fault is not None:
            errors[name] = fault
        elif value:
            values[field["key"]] = value
    return values


def _find_fault(field: Obj, value: str) -> str | None:
    if not value:
        return None if field["optional"] else "This is needed."
    rule = field[field["type"]]
    if field["type"] == "dropdown":
        is_known = any(each["value"] == value for each in rule["options"])
        return None if is_known else "Choose one of the answers."
    if field["type"] == "numeric" and not DIGITS.match(value):
        return "Enter digits alone."
    least, most = rule["minimum_length"] or 0, rule["maximum_length"] or 255
    return None if least <= len(value) <= most else f"Enter {least} to {most} characters."
