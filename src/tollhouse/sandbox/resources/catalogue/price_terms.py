"""What a price asks: its amounts, in each currency and by quantity, and how they may be given.

Source: docs.stripe.com/api/prices/object and docs.stripe.com/products-prices/pricing-models.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.state.world import HIDDEN
from tollhouse.sandbox.values import Obj

AMOUNT_MAX: Final = 99_999_999
DECIMALS_MAX: Final = 12
INTERVALS_MAX: Final = {"day": 1095, "week": 156, "month": 36, "year": 3}
CODES: Final = (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad "
    "cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk "
    "htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk "
    "mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf "
    "sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf "
    "xcd xof xpf yer zar zmw "
)
CURRENCIES: Final = frozenset(CODES.split())


def read_currency(given: str, param: str = "currency") -> str:
    """Return a currency's code in small letters. Raises `StripeError` 400 unless Stripe takes it."""
    currency = given.lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {given}. Stripe does not support this currency.", param)
    return currency


def read_amounts(given: Obj, at: str = "") -> Obj:
    """Return `unit_amount` and `unit_amount_decimal`, of which one was given, or null for both.

    `at` is the bracketed name of what they lie in. Raises `StripeError` 400 for both at once, negative or too large.
    """
    if "unit_amount" in given and "unit_amount_decimal" in given:
        param = _name(at, "unit_amount_decimal")
        raise invalid("You may only specify one of these parameters: unit_amount, unit_amount_decimal.", param)
    if "unit_amount" in given:
        amount: int = given["unit_amount"]
        _check_amount(Decimal(amount), _name(at, "unit_amount"))
        return {"unit_amount": amount, "unit_amount_decimal": str(amount)}
    if "unit_amount_decimal" in given:
        exact = _read_decimal(given["unit_amount_decimal"], _name(at, "unit_amount_decimal"))
        whole = int(exact) if exact == exact.to_integral_value() else None
        return {"unit_amount": whole, "unit_amount_decimal": format_decimal(exact)}
    return {"unit_amount": None, "unit_amount_decimal": None}


def read_custom(given: Any) -> Obj | None:
    """Return the limits of a price whose customer says the amount, or None for an ordinary price."""
    if not given or not given["enabled"]:
        return None
    return {"maximum": given.get("maximum"), "minimum": given.get("minimum"), "preset": given.get("preset")}


def read_recurring(given: Any, param: str = "recurring") -> Obj | None:
    """Return the interval in full, or None. Raises `StripeError` 400 for one of more than three years."""
    if not given:
        return None
    count: int = given.get("interval_count", 1)
    if not 1 <= count <= INTERVALS_MAX[given["interval"]]:
        name = given["interval"]
        raise invalid(
            f"Invalid recurring[interval_count]: must be at least 1, and at most {INTERVALS_MAX[name]} for"
            f" `interval={name}`; the longest interval is three years.",
            f"{param}[interval_count]",
        )
    usage = given.get("usage_type", "licensed")
    if usage == "metered" or "meter" in given:
        raise invalid("The sandbox does not simulate metered prices.", f"{param}[usage_type]")
    days = given.get("trial_period_days")
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": None,
        "trial_period_days": days,
        "usage_type": usage,
    }


def read_tiers(given: list[Obj], param: str = "tiers") -> list[Obj]:
    """Return the tiers, each with all its fields. Raises `StripeError` 400 unless they rise and the last is open."""
    if not given:
        raise invalid("You must pass tiers when `billing_scheme=tiered`.", param, "parameter_missing")
    tiers: list[Obj] = []
    reached = 0
    for place, each in enumerate(given):
        is_last = place == len(given) - 1
        upper = None if each["up_to"] == "inf" else int(each["up_to"])
        if (upper is None) != is_last or (upper is not None and upper <= reached):
            raise invalid("The tiers must rise, and the last one must have `up_to=inf`.", f"{param}[{place}][up_to]")
        reached = upper or reached
        flat = {
            name.replace("flat", "unit"): each[name] for name in ("flat_amount", "flat_amount_decimal") if name in each
        }
        amounts = read_amounts(each, f"{param}[{place}]")
        flats = read_amounts(flat, f"{param}[{place}]")
        flats = {name.replace("unit", "flat"): value for name, value in flats.items()}
        tiers.append({**flats, **amounts, "up_to": upper})
    return tiers


def find_currency(price: Obj, currency: str) -> Obj:
    """Return the amounts a price has in a currency: the price itself, or one of its options.

    Raises `StripeError` 400 for a currency it has none in.
    """
    if price["currency"] == currency:
        return price
    options: Obj = price.get(HIDDEN, {}).get("currency_options", {})
    if currency not in options:
        raise invalid(
            f"The price specified is only available in `{price['currency']}`, and has no amount in `{currency}`."
            " Please specify a price in that currency, or add it to the price's `currency_options`.",
            "currency",
        )
    return options[currency]


def multiply(price: Obj, quantity: int, currency: str) -> int:
    """Return what a quantity costs in minor units, tiers and transformations applied; halves are rounded up."""
    asked = find_currency(price, currency)
    if price["billing_scheme"] == "tiered":
        tiers = asked["tiers"] if "tiers" in asked else price.get(HIDDEN, {}).get("tiers", [])
        return _round(_climb(tiers, quantity, price["tiers_mode"]))
    transform = price["transform_quantity"]
    if transform:
        down, rest = divmod(quantity, transform["divide_by"])
        quantity = down + (1 if rest and transform["round"] == "up" else 0)
    return _round(Decimal(asked["unit_amount_decimal"] or 0) * quantity)


def format_decimal(value: Decimal) -> str:
    """Return a decimal as Stripe writes it: without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _climb(tiers: list[Obj], quantity: int, mode: str) -> Decimal:
    """Return the exact cost: all at the price of the tier reached, or each tier's part at its own."""
    cost, reached = Decimal(0), 0
    for tier in tiers:
        upper: int | None = tier["up_to"]
        is_last = upper is None or quantity <= upper
        flat, unit = Decimal(tier["flat_amount_decimal"] or 0), Decimal(tier["unit_amount_decimal"] or 0)
        if mode == "volume" and is_last:
            return flat + unit * quantity
        part = (quantity if upper is None else min(quantity, upper)) - reached
        if mode == "graduated" and (part > 0 or quantity == 0):
            cost += flat + unit * part
        reached = upper or reached
        if is_last:
            break
    return cost


def _round(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _read_decimal(given: str, param: str) -> Decimal:
    try:
        exact = Decimal(given)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {given}", param, "parameter_invalid_decimal") from None
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DECIMALS_MAX:
        raise invalid(f"Invalid decimal: {given}; at most {DECIMALS_MAX} places are kept.", param)
    _check_amount(exact, param)
    return exact


def _check_amount(amount: Decimal, param: str) -> None:
    if amount < 0:
        raise invalid("Invalid non-negative integer", param, "parameter_invalid_integer")
    if amount > AMOUNT_MAX:
        raise invalid(f"Amount must be no more than {AMOUNT_MAX}.", param, "amount_too_large")


def _name(at: str, field: str) -> str:
    return f"{at}[{field}]" if at else field
