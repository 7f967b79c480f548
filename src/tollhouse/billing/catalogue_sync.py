"""Products and prices as code: what the settings say is brought to Stripe, or compared with what is there."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollhouse.billing.catalogue import Price
from tollhouse.billing.catalogue_rows import record_current
from tollhouse.billing.catalogue_terms import (
    PRICE_KEY,
    Change,
    Problem,
    differences,
    is_active,
    metadata_of,
    price_fields,
    product_fields,
    product_id_of,
    stripe_product_of,
)
from tollhouse.billing.errors import StripeRefused
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.billing.till import Till
from tollhouse.settings_structures import ProductSettings

LOOKUP_KEYS_MAX: Final = 10
PRODUCT_EXISTS: Final = "resource_already_exists"

Raw = Mapping[str, Any]


async def push(till: Till) -> list[Change]:
    """Make Stripe's products and prices what the settings say, and return what that took.

    Safe to run twice, and twice at once. A price whose terms changed is a new one at Stripe, under the same lookup key;
    the old one is sold no more, and those who subscribed to it go on paying it. Raises `StripeRefused` and
    `StripeUnavailable`, after which what is done already stays; the next run does the rest.
    """
    catalogue = till.catalogue
    wanted = [price for price in catalogue.prices.values() if price.id not in catalogue.pinned.values()]
    holders = await find_holders(till.stripe, [price.id for price in wanted])
    changes: list[Change] = []
    current: dict[str, Raw] = {}
    for product in catalogue.products:
        prices = [price for price in wanted if price.product == product]
        made, sold = await _push_product(till.stripe, product, prices, holders)
        changes += made
        current |= sold
    await record_current(till, current)
    return changes


async def check(till: Till) -> list[Problem]:
    """Return what at Stripe is not as the settings have it; what is, will be sold from now on."""
    catalogue = till.catalogue
    pinned = {price_id: stripe_id for stripe_id, price_id in catalogue.pinned.items()}
    holders = await find_holders(till.stripe, [id for id in catalogue.prices if id not in pinned])
    problems: list[Problem] = []
    fitting: dict[str, Raw] = {}
    for price in catalogue.prices.values():
        pin = pinned.get(price.id)
        raw = holders.get(price.id) if pin is None else await _find_pinned(till.stripe, pin)
        if raw is None:
            how = "run `tollhouse catalogue push`" if pin is None else f"there is no {pin} in this mode of the account"
            problems.append(Problem(price.id, f"is not at Stripe: {how}"))
            continue
        found = differences(price, raw) + ([] if is_active(raw) else ["is not active at Stripe"])
        problems += [Problem(price.id, text) for text in found]
        if not found and pin is None:
            fitting[price.id] = raw
    await record_current(till, fitting)
    return problems


async def find_holders(stripe: StripeAccount, price_ids: Sequence[str]) -> dict[str, Raw]:
    """Return the prices at Stripe that have our ids as their lookup keys, with their products in them."""
    found: dict[str, Raw] = {}
    for start in range(0, len(price_ids), LOOKUP_KEYS_MAX):
        keys = list(price_ids[start : start + LOOKUP_KEYS_MAX])
        async for raw in stripe.pages("/v1/prices", lookup_keys=keys, expand=["data.product"]):
            found[raw["lookup_key"]] = raw
    return found


async def _find_pinned(stripe: StripeAccount, stripe_price_id: str) -> Raw | None:
    try:
        return await stripe.get(f"/v1/prices/{stripe_price_id}", expand=["product"])
    except StripeRefused as error:
        if error.is_missing:
            return None
        raise


async def _push_product(
    stripe: StripeAccount, product: ProductSettings, prices: Sequence[Price], holders: Mapping[str, Raw]
) -> tuple[list[Change], dict[str, Raw]]:
    """Push a product and its prices; return what that took, and the prices that are sold now by our ids.

    A price that somebody made by hand and gave our lookup key is as good as ours, and so is its product.
    """
    own_id = product_id_of(product)
    fits = {price.id: price.id in holders and not differences(price, holders[price.id]) for price in prices}
    changes: list[Change] = []
    if not all(fits.values()) or any(stripe_product_of(holders[price.id]) == own_id for price in prices):
        changes += await _ensure_product(stripe, product, own_id)
    sold: dict[str, Raw] = {}
    for price in prices:
        holder = holders.get(price.id)
        if holder is not None and fits[price.id]:
            sold[price.id], made = await _keep_price(stripe, price, holder)
        else:
            sold[price.id], made = await _make_price(stripe, price, holder, own_id)
        changes += made
    if changes and any(price.id in holders for price in prices):
        changes += await _retire(stripe, own_id, sold)
    return changes, sold


async def _ensure_product(stripe: StripeAccount, product: ProductSettings, own_id: str) -> list[Change]:
    subject, fields = f"product {product.id}", product_fields(product)
    path = f"/v1/products/{own_id}"
    try:
        raw = await stripe.get(path)
    except StripeRefused as error:
        if not error.is_missing:
            raise
        try:
            await stripe.post("/v1/products", {"id": own_id, **fields}, idempotency_key=_one_time_key())
        except StripeRefused as refusal:
            if refusal.stripe_code != PRODUCT_EXISTS:  # or else another push was faster
                raise
            return []
        return [Change("created", subject, own_id)]
    same = all(raw.get(name) == value for name, value in fields.items() if name != "metadata")
    if same and raw.get("active") and fields["metadata"].items() <= metadata_of(raw).items():
        return []
    await stripe.post(path, {**fields, "active": True}, idempotency_key=_one_time_key())
    return [Change("updated", subject, own_id)]


async def _keep_price(stripe: StripeAccount, price: Price, raw: Raw) -> tuple[Raw, list[Change]]:
    """Leave a price as it is, but active and marked as ours."""
    if raw.get("active") and metadata_of(raw).get(PRICE_KEY) == price.id:
        return raw, []
    fields = {"active": True, "metadata": {PRICE_KEY: price.id}}
    changed = await stripe.post(f"/v1/prices/{raw['id']}", fields, idempotency_key=_one_time_key())
    return changed, [Change("updated", f"price {price.id}", raw["id"])]


async def _make_price(
    stripe: StripeAccount, price: Price, holder: Raw | None, product_id: str
) -> tuple[Raw, list[Change]]:
    """Create a price; with another one in its place until now, that one's lookup key goes over."""
    fields = price_fields(price) | {"product": product_id}
    if holder is not None:
        fields["transfer_lookup_key"] = True
    # From what is replaced by what: two who push at once make one price.
    told = json.dumps([holder and holder["id"], fields], sort_keys=True)
    key = f"tollhouse-price-{hashlib.sha256(told.encode()).hexdigest()}"
    made = await stripe.post("/v1/prices", fields, idempotency_key=key)
    if holder is None:
        return made, [Change("created", f"price {price.id}", made["id"])]
    changes = [Change("replaced", f"price {price.id}", made["id"])]
    return made, changes + await _deactivate(stripe, price.id, holder)


async def _retire(stripe: StripeAccount, product_id: str, sold: Mapping[str, Raw]) -> list[Change]:
    """Deactivate what an interrupted push has left active beside the prices that are sold now."""
    changes: list[Change] = []
    async for raw in stripe.pages("/v1/prices", product=product_id, active=True):
        price_id = metadata_of(raw).get(PRICE_KEY)
        if price_id is not None and price_id in sold and raw["id"] != sold[price_id]["id"]:
            changes += await _deactivate(stripe, price_id, raw)
    return changes


async def _deactivate(stripe: StripeAccount, price_id: str, raw: Raw) -> list[Change]:
    if not raw.get("active"):
        return []
    try:
        await stripe.post(f"/v1/prices/{raw['id']}", {"active": False}, idempotency_key=_one_time_key())
    except StripeRefused:  # the default price of its product, say, which only its owner can change
        return [Change("left active", f"earlier price {price_id}", raw["id"])]
    return [Change("deactivated", f"earlier price {price_id}", raw["id"])]


def _one_time_key() -> str:
    """Return a key for what may be done again: a day later, or a minute later after somebody undid it by hand."""
    return f"tollhouse-{secrets.token_hex(16)}"
