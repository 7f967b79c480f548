"""Checkout: a purchase is written down first, then Stripe makes its page, then the buyer goes there.

One key or claim stands for one purchase and one page at Stripe, however often and from wherever it is asked for: unique
keys of the table decide whose row it is, and Stripe's idempotency key, made from that row, whose page.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import structlog

from tollhouse.billing import customers, sync
from tollhouse.billing.checkout_request import RETURN_PATH, Wanted, stripe_parameters
from tollhouse.billing.checkout_rows import (
    CREATING,
    EXPIRE,
    EXPIRED,
    FIND_BY_CLAIM,
    FIND_BY_KEY,
    GIVE_UP,
    INSERT,
    IS_SUBSCRIBED,
    OPEN,
    STORE,
    WAS_SUBSCRIBED,
)
from tollhouse.billing.errors import AlreadySubscribed, PurchaseExpired, StripeRefused, StripeUnavailable
from tollhouse.billing.facts import SessionFacts
from tollhouse.billing.purchases import FIND, Purchase
from tollhouse.billing.readers import read_session
from tollhouse.billing.till import Till
from tollhouse.clock import HOUR
from tollhouse.db import Transaction
from tollhouse.failpoints import reach
from tollhouse.ledger.errors import IdempotencyConflict
from tollhouse.signing.tokens import create_id

log = structlog.get_logger()

# So long a purchase may wait for its page: Stripe keeps an idempotency key for 24 h at least, and a page lives so long.
CREATING_US: Final = 23 * HOUR
TRIES_MAX: Final = 4  # each meets another purchase that stood in the way and was then over
PAGE_SECONDS_MAX: Final = 9.0  # the buyer has an answer within ten, the customer's making included

_under_way: Final[dict[str, asyncio.Task[Purchase]]] = {}  # pages being made by this process, by purchase


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays: proved by a session or a token, never by what a body says."""

    user_id: str
    email: str | None  # for Stripe's receipts; None where the token has none


async def begin(till: Till, buyer: Buyer, wanted: Wanted, *, key: str | None = None) -> Purchase:
    """Return a purchase whose page is open, or one under the same key that came further already.

    Raises `AlreadySubscribed`, `PurchaseExpired`, `IdempotencyConflict`, `StripeUnavailable`, `StripeRefused` and
    `CatalogueNotReady`.
    """
    for _ in range(TRIES_MAX):
        try:
            found = await _begin_or_find(till, buyer, wanted, key)
        except StripeUnavailable as error:
            if not error.key_is_spent:
                raise
            found = None  # that purchase is given up: another one has another key at Stripe
        if found is not None:
            return found
    raise StripeUnavailable("Other purchases of the same thing were begun at the same time.", retry_after_seconds=1)


async def _begin_or_find(till: Till, buyer: Buyer, wanted: Wanted, key: str | None) -> Purchase | None:
    """Return a new purchase or the one that stands for it, or None once what stood in the way is over."""
    begun = await till.run.db.transact(_insert, till, buyer.user_id, wanted, key)
    if begun is not None:
        reach("checkout.row_committed")
        return await _with_page(till, begun, buyer)
    return await _find_by_key(till, buyer, wanted, key) or await _find_by_claim(till, buyer, wanted)


def url_of(till: Till, purchase: Purchase) -> str:
    """Return where the buyer goes: to Stripe's page while it is open, else to ours that tells what became of it."""
    if purchase.status == OPEN and purchase.url is not None:
        return purchase.url
    return f"{till.run.settings.url}{RETURN_PATH}?checkout_session_id={purchase.checkout_session_id}"


async def _insert(tx: Transaction, till: Till, user_id: str, wanted: Wanted, key: str | None) -> Purchase | None:
    """Write the purchase down, or return None when its key or claim is taken."""
    now, price = till.run.now_us, wanted.price
    purchase_id = create_id("pur", now)
    of_user = {"user_id": user_id, "livemode": till.livemode}
    of_product = of_user | {"product_id": price.product.id}
    is_subscription = price.terms.mode == "subscription"
    has_trial = price.terms.trial_days > 0 and await tx.fetch_one(WAS_SUBSCRIBED, **of_product) is None
    request = stripe_parameters(till, wanted, purchase_id=purchase_id, user_id=user_id, has_trial=has_trial)
    row = await tx.fetch_one(
        INSERT,
        **of_product,
        id=purchase_id,
        price_id=price.id,
        mode=price.terms.mode,
        quantity=wanted.quantity,
        credits=price.terms.credits * wanted.quantity,
        claim=wanted.claim if is_subscription or key is None else None,
        idempotency_key=key,
        fingerprint=wanted.fingerprint,
        request=json.dumps(request, separators=(",", ":")),
        success_url=wanted.success_url,
        cancel_url=wanted.cancel_url,
        created_at=now,
        expires_at=now + CREATING_US,
    )
    # After the insert, which holds the claim: whoever gave it up by paying has committed before this looks.
    if row is not None and is_subscription and await tx.fetch_one(IS_SUBSCRIBED, **of_product):
        raise AlreadySubscribed
    return row


async def _find_by_key(till: Till, buyer: Buyer, wanted: Wanted, key: str | None) -> Purchase | None:
    """Return the purchase of this key, whatever became of it, or None: the key is free."""
    if key is None:
        return None
    found = await till.run.db.fetch_one(FIND_BY_KEY, user_id=buyer.user_id, livemode=till.livemode, key=key)
    if found is None:
        return None
    if found.fingerprint != wanted.fingerprint:
        raise IdempotencyConflict
    found = await _with_page(till, await _as_it_is(till, found), buyer)
    if found.status == EXPIRED:
        raise PurchaseExpired
    return found


async def _find_by_claim(till: Till, buyer: Buyer, wanted: Wanted) -> Purchase | None:
    """Return the open purchase of the same thing, or None once nothing stands in the way any more."""
    of_user = {"user_id": buyer.user_id, "livemode": till.livemode}
    found = await till.run.db.fetch_one(FIND_BY_CLAIM, **of_user, claim=wanted.claim)
    if found is None:
        return None
    found = await _with_page(till, await _as_it_is(till, found), buyer)
    if found.status != OPEN:
        return None
    if (found.price_id, found.quantity) == (wanted.price.id, wanted.quantity):
        return found
    await _close_page(till, found)  # of another price of the same product: two pages could be paid twice
    return None


async def _as_it_is(till: Till, purchase: Purchase) -> Purchase:
    """Return a purchase as it is now, if its time is up: Stripe's word on it may be late."""
    now = till.run.now_us
    if purchase.status not in (CREATING, OPEN) or purchase.expires_at > now:
        return purchase
    if purchase.checkout_session_id is not None:
        try:
            return await sync.sync_session(till, purchase.checkout_session_id)
        except StripeRefused as error:
            if not error.is_missing:
                raise
    expired = await till.run.db.write_one(EXPIRE, purchase_id=purchase.id, now=now)
    return expired or await _reread(till, purchase)


async def _close_page(till: Till, purchase: Purchase) -> None:
    """Close a page at Stripe and settle what came of it; paid meanwhile, it is a purchase like any other."""
    session_id = purchase.checkout_session_id
    assert session_id is not None, "an open purchase has a page"
    try:
        await till.stripe.post(
            f"/v1/checkout/sessions/{session_id}/expire", {}, idempotency_key=f"{purchase.id}:expire"
        )
    except StripeRefused as error:
        log.info("checkout_not_closed", purchase_id=purchase.id, stripe_code=error.stripe_code)
    await sync.sync_session(till, session_id)


async def _with_page(till: Till, purchase: Purchase, buyer: Buyer) -> Purchase:
    """Return the purchase with its page, made now unless there is one; clicks at the same time wait for the same."""
    if purchase.status != CREATING:
        return purchase
    task = _under_way.get(purchase.id)
    if task is None:
        task = _under_way[purchase.id] = asyncio.create_task(_make_page(till, purchase, buyer))
        task.add_done_callback(lambda _: _under_way.pop(purchase.id, None))
    return await asyncio.shield(task)  # whoever goes away leaves the others' page alone


async def _make_page(till: Till, purchase: Purchase, buyer: Buyer) -> Purchase:
    try:
        async with asyncio.timeout(PAGE_SECONDS_MAX):
            session = await _ask_stripe(till, purchase, buyer)
    except TimeoutError:
        raise StripeUnavailable from None
    reach("checkout.session_made")
    stored = await till.run.db.write_one(
        STORE,
        purchase_id=purchase.id,
        session_id=session.id,
        session_url=session.url,
        session_expires_at=session.expires_at or purchase.expires_at,
    )
    reach("checkout.stored")
    if stored is None:  # another process was quicker, or it is paid already
        found = await _reread(till, purchase)
        if found.checkout_session_id is None:
            raise StripeUnavailable("Another process has given this purchase up.", key_is_spent=True)
        return found
    log.info("checkout_opened", purchase_id=purchase.id)
    return stored


async def _ask_stripe(till: Till, purchase: Purchase, buyer: Buyer) -> SessionFacts:
    """Return the page of a purchase; one that Stripe does not make, and never will, is given up."""
    customer_id = await customers.ensure(till, purchase.user_id, email=buyer.email)
    try:
        try:
            return await _ask_for(till, purchase, customer_id)
        except StripeRefused as error:
            if not (error.is_missing and error.param == "customer"):
                raise
        await customers.forget(till, customer_id)
        return await _ask_for(till, purchase, await customers.ensure(till, purchase.user_id, email=buyer.email))
    except (StripeRefused, StripeUnavailable) as error:
        if isinstance(error, StripeRefused) or error.key_is_spent:
            await till.run.db.write_one(GIVE_UP, purchase_id=purchase.id)
        raise


async def _ask_for(till: Till, purchase: Purchase, customer_id: str) -> SessionFacts:
    parameters = {**json.loads(purchase.request), "customer": customer_id}
    # The customer is part of the key, for Stripe refuses a key that comes with other parameters.
    key = f"{purchase.id}:{customer_id}"
    return read_session(await till.stripe.post("/v1/checkout/sessions", parameters, idempotency_key=key))


async def _reread(till: Till, purchase: Purchase) -> Purchase:
    found = await till.run.db.fetch_one(FIND, purchase_id=purchase.id)
    assert found is not None, "purchases are never deleted"
    return found
