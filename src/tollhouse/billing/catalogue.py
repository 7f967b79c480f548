"""What is sold: products and prices from the settings, and which of Stripe's prices each of ours is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select

from tollhouse.billing.errors import CatalogueNotReady, PriceUnknown
from tollhouse.billing.tables import prices as table
from tollhouse.db import Database, Statement
from tollhouse.settings import Settings
from tollhouse.settings_structures import PriceSettings, ProductSettings


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """One of Stripe's prices, and which of ours it is."""

    stripe_price_id: str
    price_id: str
    is_current: int


KNOWN: Final = Statement(
    select(table.c.stripe_price_id, table.c.price_id, table.c.is_current)
    .where(table.c.livemode == bindparam("livemode"))
    .order_by(table.c.seen_at, table.c.stripe_price_id),  # of two that were pushed at once the same one for everybody
    KnownPrice,
)


@dataclass(frozen=True, slots=True)
class Price:
    """A price with its product."""

    product: ProductSettings
    terms: PriceSettings

    @property
    def id(self) -> str:
        """Our own id."""
        return self.terms.id


class Catalogue:
    """The products and prices of the settings, in one of Stripe's modes."""

    def __init__(self, settings: Settings, *, livemode: bool) -> None:
        """Read the settings; which of Stripe's prices ours are is known after `learn`."""
        self.products = settings.products
        self._livemode = livemode
        self._prices = {price.id: Price(product, price) for product in self.products for price in product.prices}
        self._pinned = {
            stripe_id: price.id
            for price in self._prices.values()
            if (stripe_id := price.terms.stripe_price_live if livemode else price.terms.stripe_price_test)
        }
        self._known: dict[str, str] = {}
        self._current: dict[str, str] = {}

    @property
    def prices(self) -> Mapping[str, Price]:
        """Every price by our id, in the order of the settings."""
        return self._prices

    @property
    def pinned(self) -> Mapping[str, str]:
        """Stripe's price ids that the settings name for this mode, and which of our prices each is."""
        return self._pinned

    async def learn(self, db: Database) -> None:
        """Learn which of Stripe's prices are ours from what `catalogue push` and Stripe's events have left."""
        rows = await db.fetch_all(KNOWN, livemode=int(self._livemode))
        self._known = {row.stripe_price_id: row.price_id for row in rows}
        self._current = {row.price_id: row.stripe_price_id for row in rows if row.is_current}

    def price(self, price_id: str) -> Price:
        """Return a price by our id; raise `PriceUnknown`."""
        try:
            return self._prices[price_id]
        except KeyError:
            raise PriceUnknown from None

    def of_stripe(self, stripe_price_id: str | None) -> Price | None:
        """Return which of our prices one of Stripe's is, also one of earlier days, or None: it is not ours."""
        if stripe_price_id is None:
            return None
        return self._prices.get(self._pinned.get(stripe_price_id) or self._known.get(stripe_price_id, ""))

    def stripe_price_of(self, price: Price) -> str:
        """Return Stripe's id of a price; raise `CatalogueNotReady` when it has none yet."""
        pinned = price.terms.stripe_price_live if self._livemode else price.terms.stripe_price_test
        found = pinned or self._current.get(price.id)
        if found is None:
            raise CatalogueNotReady(f"Price {price.id} is not at Stripe: run `tollhouse catalogue push`.")
        return found
