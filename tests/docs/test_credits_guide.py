"""The Python of the credits guide runs, and does what the words beside it say."""

from __future__ import annotations

import pytest

from tests.docs.documents import CREDITS
from tests.docs.test_readme import run_block
from tollhouse.testing import TestKit

pytestmark = pytest.mark.usefixtures("readme_environment")


async def test_a_hold_is_captured_in_part_and_a_spend_comes_first() -> None:
    host = run_block(0, among=CREDITS)
    async with TestKit(app=host["app"], toll=host["toll"]) as kit:
        alice, stranger = await kit.sign_in("alice@example.com"), kit.new_browser()
        assert (await stranger.post("/reports")).status_code == 401
        refused = await alice.post("/reports")
        assert (refused.status_code, refused.json()["code"], refused.json()["available"]) == (
            402,
            "credits_insufficient",
            0,
        )
        await kit.toll.credits.grant(alice.user_id, 10)
        assert (await alice.post("/reports")).json() == {"pages": 2}
        assert (await alice.post("/lookups")).json() == {"balance": 7}
        credits = (await alice.get("/credits")).json()
    assert (credits["balance"], credits["held"], credits["available"], credits["debt"]) == (7, 0, 7, 0)
