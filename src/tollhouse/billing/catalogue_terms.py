"""How a price of the settings and one of Stripe's compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.billing.catalogue import Price
from tollhouse.settings_structures import ProductSettings

PRODUCT_PREFIX: Final = "tollhouse_"
PRODUCT_KEY: Final = "tollhouse_product"  # of Stripe's metadata
PRICE_KEY: Final = "tollhouse_price"


@dataclass(frozen=True, slots=True)
class Change:
    """What `push` did."""

    action: str  # created, updated, replaced, kept
    subject: str  # product pro, price pro-monthly
    stripe_id: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is not at Stripe as the settings have it."""

    price: str
    text: str


def product_id_of(product: ProductSettings) -> str:
    """Return the id that a product of ours has at Stripe, the same in both modes."""
    return PRODUCT_PREFIX + product.id


def product_fields(product: ProductSettings) -> dict[str, Any]:
    """Return what Stripe is told of a product."""
    fields: dict[str, Any] = {"name": product.name, "metadata": {PRODUCT_KEY: product.id}}
    if product.description:
        fields["description"] = product.description
    return fields


def price_fields(price: Price) -> dict[str, Any]:
    """Return what Stripe is told of a new price."""
    terms = price.terms
    fields: dict[str, Any] = {
        "currency": terms.currency,
        "unit_amount": terms.unit_amount_minor,
        "lookup_key": terms.id,
        "metadata": {PRICE_KEY: terms.id},
    }
    if terms.interval is not None:
        fields["recurring"] = {"interval": terms.interval, "interval_count": terms.interval_count}
    return fields


def differences(price: Price, raw: Mapping[str, Any]) -> list[str]:
    """Say in which terms one of Stripe's prices is not ours; these can never be changed there."""
    terms = price.terms
    recurring: Mapping[str, Any] = raw.get("recurring") or {}
    pairs = (
        ("amount", terms.unit_amount_minor, raw.get("unit_amount")),
        ("currency", terms.currency, raw.get("currency")),
        ("interval", terms.interval, recurring.get("interval")),
        ("interval count", terms.interval_count, recurring.get("interval_count", terms.interval_count)),
    )
    found = [
        f"{name} is {theirs} at Stripe and {ours} in the settings" for name, ours, theirs in pairs if ours != theirs
    ]
    if recurring.get("usage_type", "licensed") != "licensed":
        found.append("is billed by usage at Stripe")
    return found


def stripe_product_of(raw: Mapping[str, Any]) -> str:
    """Return the id of a price's product, whether it was expanded or not."""
    product: str | Mapping[str, Any] = raw["product"]
    return product if isinstance(product, str) else str(product["id"])


def is_active(raw: Mapping[str, Any]) -> bool:
    """Whether a price can be sold: where its product was expanded, that must be active too."""
    product: str | Mapping[str, Any] = raw["product"]
    return bool(raw.get("active")) and (isinstance(product, str) or bool(product.get("active")))


def metadata_of(raw: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the metadata of one of Stripe's objects."""
    return raw.get("metadata") or {}
