"""What somebody gets who asks for their data."""

from __future__ import annotations

import json

from tests.billing.shop import bought
from tollhouse.billing import exports
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient


async def test_payments_and_credits_are_exported_and_nobody_else_s(kit: TestKit, alice: SignedInClient) -> None:
    mallory = await kit.sign_in("mallory@example.com")
    for buyer in (alice, mallory):
        await bought(kit, buyer)
    found = json.loads(json.dumps(await exports.export(kit.toll.run, alice.user_id)))
    assert {row["user_id"] for rows in found.values() for row in rows} == {alice.user_id}
    counts = {name: len(rows) for name, rows in found.items()}
    assert counts == {
        **dict.fromkeys(("credits", "lots", "entries", "customers", "purchases", "payments"), 1),
        **dict.fromkeys(("holds", "subscriptions"), 0),
    }
    assert found["credits"][0]["balance"] == found["payments"][0]["credits"] == 100
