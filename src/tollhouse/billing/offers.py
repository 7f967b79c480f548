"""The catalogue as the pages show it: what each price is called, and whether somebody has it already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.money import say_amount
from tollhouse.billing.subscriptions import Subscription
from tollhouse.settings_structures import PriceSettings, ProductSettings

ADVERBS: Final = {"day": "daily", "week": "weekly", "month": "monthly", "year": "yearly"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One price of a product, in words."""

    id: str
    label: str  # tells a product's prices apart: `monthly`, `100 credits`
    amount: str
    period: str | None  # `month`, `3 months`
    credits: int
    quantity_max: int
    trial_days: int
    is_yours: bool
    is_change: bool  # another plan than the one that is subscribed to: changed to, or both would be paid


@dataclass(frozen=True, slots=True)
class Offered:
    """A product with its prices."""

    id: str
    name: str
    description: str | None
    features: Sequence[str]
    is_yours: bool
    offers: Sequence[Offer]


def plans(catalogue: Catalogue, had: Iterable[Subscription]) -> list[Offered]:
    """Return what the pricing page shows: every product but those that are nothing but credits to buy."""
    by_product = {each.product_id: each for each in had}
    return [
        _offered(product, product.prices, by_product.get(product.id), has_plan=bool(by_product))
        for product in catalogue.products
        if not all(_is_pack(price) for price in product.prices)
    ]


def packs(catalogue: Catalogue) -> list[Offered]:
    """Return what the buy-credits page shows: the prices that are paid once and bring credits."""
    found = ((product, [price for price in product.prices if _is_pack(price)]) for product in catalogue.products)
    return [_offered(product, prices, None, has_plan=False) for product, prices in found if prices]


def _is_pack(price: PriceSettings) -> bool:
    return price.mode == "payment" and price.credits > 0


def _offered(
    product: ProductSettings, prices: Iterable[PriceSettings], had: Subscription | None, *, has_plan: bool
) -> Offered:
    offers = tuple(_offer(price, had, has_plan=has_plan) for price in prices)
    words = tuple(feature.replace("-", " ").replace("_", " ").replace(".", " ") for feature in product.features)
    return Offered(product.id, product.name, product.description, words, had is not None, offers)


def _offer(price: PriceSettings, had: Subscription | None, *, has_plan: bool) -> Offer:
    is_yours = had is not None and had.price_id == price.id
    return Offer(
        id=price.id,
        label=_label(price),
        amount=say_amount(price.unit_amount_minor, price.currency),
        period=say_period(price),
        credits=price.credits,
        quantity_max=price.quantity_max,
        trial_days=price.trial_days,
        is_yours=is_yours,
        is_change=has_plan and not is_yours and price.mode == "subscription",
    )


def _label(price: PriceSettings) -> str:
    if price.interval is None:
        return f"{price.credits:,} credits" if price.credits else "once"
    return ADVERBS[price.interval] if price.interval_count == 1 else f"every {say_period(price)}"


def say_period(price: PriceSettings) -> str | None:
    """Return a subscription's period in words: `month`, `3 months`; None for what is paid once."""
    if price.interval is None:
        return None
    return price.interval if price.interval_count == 1 else f"{price.interval_count} {price.interval}s"
