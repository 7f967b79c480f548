"""Ids that look like Stripe's; the same seed gives the same ones."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from tollhouse.sandbox.state.store import Store

LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIXES: Final = {
    "balance_transaction": "txn_",
    "billing_portal.configuration": "bpc_",
    "billing_portal.session": "bps_",
    "charge": "ch_",
    "checkout.session": "cs_test_",
    "coupon": "",
    "customer": "cus_",
    "customer_balance_transaction": "cbtxn_",
    "discount": "di_",
    "dispute": "du_",
    "entitlements.active_entitlement": "ent_",
    "entitlements.feature": "feat_",
    "event": "evt_",
    "invoice": "in_",
    "invoice_payment": "inpay_",
    "invoiceitem": "ii_",
    "item": "li_",
    "line_item": "il_",
    "mandate": "mandate_",
    "payment_intent": "pi_",
    "payment_method": "pm_",
    "price": "price_",
    "product": "prod_",
    "product_feature": "prodft_",
    "promotion_code": "promo_",
    "refund": "re_",
    "setup_attempt": "setatt_",
    "setup_intent": "seti_",
    "shipping_rate": "shr_",
    "subscription": "sub_",
    "subscription_item": "si_",
    "tax_id": "txi_",
    "test_helpers.test_clock": "clock_",
    "webhook_endpoint": "we_",
}
LENGTHS: Final = {"customer": 14, "product": 14, "coupon": 8, "checkout.session": 58, "subscription_item": 14}
USUAL_LENGTH: Final = 24


class Ids:
    """Counts on in the store, so that a file opened again gives no id twice."""

    def __init__(self, store: Store, seed: int | None) -> None:
        """Take the store's own seed, or the one given to a store that has none."""
        self._store = store
        known = store.read_note("seed")
        if known is None:
            known = secrets.token_hex(16) if seed is None else str(seed)
            store.note("seed", known)
            store.note("ids", "0")
        self._seed = known
        self._count = int(store.read_note("ids") or "0")

    def text(self, length: int) -> str:
        """Return so many letters and digits that were never returned before."""
        self._count += 1
        self._store.note("ids", str(self._count))
        return self.derive(str(self._count), length)

    def derive(self, name: str, length: int) -> str:
        """Return so many letters and digits, the same whenever they are asked for by this name."""
        digest = hashlib.shake_256(f"{self._seed}:{name}".encode()).digest(length)
        return "".join(LETTERS[byte % 62] for byte in digest)

    def of(self, kind: str) -> str:
        """Return an id for a new object."""
        return PREFIXES[kind] + self.text(LENGTHS.get(kind, USUAL_LENGTH))
