"""A gate without a till, and a till without a gate."""

from __future__ import annotations

import pytest

from tollhouse.testing import TestKit

CLERK = {
    "name": "clerk",
    "preset": "clerk",
    "issuer": "https://acme.clerk.accounts.dev",
    "authorized_parties": ["https://app.example.com"],
}


async def test_a_till_alone_sells_to_users_of_another_issuer_and_has_no_pages_of_its_own() -> None:
    async with TestKit(stripe=True, smtp_url=None, mail_from=None, issuers=[CLERK]) as kit:
        browser = kit.new_browser()
        assert (await browser.get("/billing/products")).json() == {"products": []}
        refused = await browser.post("/stripe/checkout", json={"price": "none"})
        assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
        for page in ("/auth/sign-in", "/billing/pricing", "/account/billing"):
            assert (await browser.get(page)).status_code == 404
        assert (await browser.get("/health/ready")).json()["checks"]["stripe"] == "ok"


async def test_a_gate_alone_has_credits_and_no_shop() -> None:
    async with TestKit() as kit:
        alice = await kit.sign_in("alice@example.com")
        assert (await alice.get("/credits")).json()["balance"] == 0
        assert (await alice.get("/billing/products")).status_code == 404
        assert "stripe" not in (await alice.get("/health/ready")).json()["checks"]
        with pytest.raises(RuntimeError, match="There is no till"):
            _ = kit.toll.till
