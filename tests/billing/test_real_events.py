"""Stripe's own events, of every version there are recordings of, posted to a running till."""

from __future__ import annotations

import json
from typing import Any

from tests.billing.posting import inbox_of, post
from tests.support.testdata import require_testdata
from tollhouse.testing import TestKit

FILES = sorted(require_testdata("stripe", "events").glob("[0-9]*.json"))
# Of another mode than the key, a sketch of somebody's own, or what nothing here can know.
PARKED_MAX = 40


async def test_each_is_taken_and_a_parked_one_says_why(kit: TestKit) -> None:
    statuses: dict[str, str] = {}
    for number, path in enumerate(FILES):
        event: Any = json.loads(path.read_text()) | {"id": f"evt_{number}"}  # the unversioned ones share theirs
        reply = await post(kit, event)
        assert reply.status_code == 200, (path.stem, reply.text)
        statuses[event["id"]] = reply.json()["status"]
    rows = {row["id"]: row for row in await inbox_of(kit)}
    for event_id, status in statuses.items():
        row = rows.get(event_id)
        if row is not None and row["status"] != "accepted":  # by now that one may be done
            assert row["status"] == status
            assert row["reason"] or status == "processed", row
    assert sum(status == "parked" for status in statuses.values()) <= PARKED_MAX
