"""What a Stripe account sells already, written as `[[products]]` for tollhouse.toml."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tollhouse.billing.catalogue_terms import PRICE_KEY, PRODUCT_KEY, metadata_of, stripe_product_of
from tollhouse.billing.till import Till

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
NAME_LENGTH_MAX: Final = 100

Raw = Mapping[str, Any]


async def pull(till: Till) -> str:
    """Return TOML of the active products and prices; what Tollhouse cannot sell is a comment that says why."""
    prices: defaultdict[str, list[Raw]] = defaultdict(list)
    async for raw in till.stripe.pages("/v1/prices", active=True):
        prices[stripe_product_of(raw)].append(raw)
    products = [raw async for raw in till.stripe.pages("/v1/products", active=True)]
    names = _Names()
    pieces = ["\n".join(_product(raw, prices[raw["id"]], names, till)) for raw in reversed(products)]
    return "\n\n".join(pieces) + "\n" if pieces else "# There are no active products.\n"


class _Names:
    """Gives each thing an id of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *wishes: str | None) -> str:
        """Return the first wish that fits and is free, or the last one with a number."""
        free = (wish for wish in wishes if wish and SLUG.fullmatch(wish) and wish not in self._taken)
        usual = NO_SLUG.sub("-", (wishes[-1] or "").lower()).strip("-")[:56] or "item"
        numbered = (usual if number == 1 else f"{usual}-{number}" for number in range(1, len(self._taken) + 2))
        name = next(free, None) or next(name for name in numbered if name not in self._taken)
        self._taken.add(name)
        return name


def _product(raw: Raw, prices: list[Raw], names: _Names, till: Till) -> Iterator[str]:
    sellable = [price for price in reversed(prices) if why_not(price) is None]
    comments = [f"# {price['id']}: {why}" for price in prices if (why := why_not(price))]
    if not sellable:
        yield f"# {raw['id']} has no price that can be sold."
        yield from comments
        return
    product_id = names.take(metadata_of(raw).get(PRODUCT_KEY), raw["name"])
    yield "[[products]]"
    yield f"id = {_text(product_id)}"
    yield f"name = {_text(raw['name'][:NAME_LENGTH_MAX])}"
    if raw.get("description"):
        yield f"description = {_text(raw['description'])}"
    yield from comments
    for price in sellable:
        yield ""
        yield from _price(price, product_id, names, till)


def _price(raw: Raw, product_id: str, names: _Names, till: Till) -> Iterator[str]:
    recurring: Raw = raw.get("recurring") or {}
    kind = recurring.get("interval", "once")
    price_id = names.take(metadata_of(raw).get(PRICE_KEY), raw.get("lookup_key"), f"{product_id}-{kind}")
    yield "[[products.prices]]"
    yield f"id = {_text(price_id)}"
    yield f"mode = {_text('subscription' if recurring else 'payment')}"
    yield f"unit_amount_minor = {raw['unit_amount']}"
    yield f"currency = {_text(raw['currency'])}"
    if recurring:
        yield f"interval = {_text(recurring['interval'])}"
        if recurring["interval_count"] != 1:
            yield f"interval_count = {recurring['interval_count']}"
    if raw.get("lookup_key") != price_id:  # or else it is found by that, in both modes
        yield f"stripe_price_{'live' if till.livemode else 'test'} = {_text(raw['id'])}"


def why_not(raw: Raw) -> str | None:
    """Say why a price cannot be sold here, or None if it can."""
    if raw.get("billing_scheme") != "per_unit" or raw.get("unit_amount") is None:
        return "its amount is not one whole number"
    recurring: Raw = raw.get("recurring") or {}
    if recurring.get("usage_type", "licensed") != "licensed":
        return "it is billed by usage"
    if raw.get("transform_quantity") is not None:
        return "its quantity is divided"
    return None


def _text(value: str) -> str:
    """Return a TOML string: JSON writes what TOML reads, but for DEL and pairs of surrogates."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
