"""What your own servers ask about a user."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tests.billing.shop import bought
from tollhouse.access import api_keys
from tollhouse.testing import SignedInClient, TestKit

SCOPES = ("users:read", "entitlements:read", "credits:read")
NOBODY = "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"
PATHS = ("", "/entitlements", "/credits/why", "/entitlements/exports/why")


async def ask(kit: TestKit, path: str, *, scopes: tuple[str, ...] = SCOPES) -> httpx.Response:
    _, secret = await api_keys.create(kit.toll.run, name="app", scopes=scopes)
    return await kit.new_browser().get(f"/api/users/{path}", headers={"authorization": f"Bearer {secret}"})


async def test_a_user_is_shown_without_what_names_them(kit: TestKit, alice: SignedInClient):
    reply = (await ask(kit, alice.user_id)).raise_for_status()
    assert reply.json()["id"] == alice.user_id
    assert reply.json()["created_at"].endswith("Z")
    assert reply.json()["blocked_at"] is None
    assert "alice" not in reply.text.replace(alice.user_id, "")


async def test_what_a_user_has_paid_for_is_what_they_may_use(kit: TestKit, alice: SignedInClient):
    assert (await ask(kit, f"{alice.user_id}/entitlements")).json() == {"features": [], "subscriptions": []}
    await bought(kit, alice, "pro-monthly")
    reply = (await ask(kit, f"{alice.user_id}/entitlements")).json()
    assert reply["features"] == ["exports", "long-history"]
    (subscription,) = reply["subscriptions"]
    assert (subscription["status"], subscription["product"], subscription["price"]) == ("active", "pro", "pro-monthly")


async def test_why_leads_from_the_balance_back_to_the_payment(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    why = (await ask(kit, f"{alice.user_id}/credits/why")).raise_for_status()
    assert reply["purchase_id"] in why.text
    assert "checkout.session.completed" in why.text


async def test_why_leads_from_a_feature_back_to_the_subscription(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    why = (await ask(kit, f"{alice.user_id}/entitlements/exports/why")).raise_for_status()
    assert "sub_" in why.text
    assert "in_" in why.text


async def test_who_is_nobody_is_not_found(kit: TestKit):
    foreign = quote("https://clerk.example.com#user_1", safe="")
    for path in PATHS:
        for user_id in (NOBODY, "alice", foreign):
            reply = await ask(kit, user_id + path)
            assert (reply.status_code, reply.json()["code"]) == (404, "user_unknown")


async def test_a_key_without_the_scope_is_refused(kit: TestKit, alice: SignedInClient):
    for path in PATHS:
        assert (await ask(kit, alice.user_id + path, scopes=("credits:spend",))).status_code == 403
        assert (await alice.get(f"/api/users/{alice.user_id}{path}")).status_code == 401


async def test_a_user_of_another_issuer_is_found_by_its_reference(kit: TestKit, alice: SignedInClient):
    from tollhouse.identity import foreign_users

    reference = "https://clerk.example.com#user_1"
    user_id = await kit.toll.run.db.transact(foreign_users.resolve, kit.toll.run, reference)
    reply = (await ask(kit, quote(reference, safe=""))).raise_for_status()
    assert reply.json()["id"] == user_id
    assert (await ask(kit, quote(reference, safe="") + "/entitlements")).json()["features"] == []
