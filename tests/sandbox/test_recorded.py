"""Recorded exchanges with the real Stripe: the sandbox answers them as Stripe did.

The ceilings only go down: whoever brings the sandbox closer lowers them.
"""

from __future__ import annotations

import dataclasses

import pytest

from tests.sandbox.conftest import START
from tests.sandbox.replaying import ADDED, Exchange, Replay, is_described, read_exchanges, replay
from tests.support.testdata import require_testdata
from tollhouse.sandbox import Sandbox

EXCHANGES = read_exchanges(require_testdata("stripe", "recorded.jsonl"))
COMPARED_MIN = 202
DRIFT_MAX = 10


async def play(exchanges: list[Exchange]) -> Replay:
    async with Sandbox(seed=1, start=START) as sandbox:
        return await replay(exchanges, sandbox)


async def test_recorded_requests_are_answered_as_stripe_answered_them(capsys: pytest.CaptureFixture[str]) -> None:
    found = await play(EXCHANGES)
    with capsys.disabled():
        print(f"\n{found.compared} of {len(EXCHANGES)} recorded exchanges compared; not: {dict(found.skipped)}")
        print(f"{len(found.drift)} departures (at most {DRIFT_MAX}):", *sorted(found.drift), sep="\n  ")
        print(f"{len(found.added)} fields that the recordings do not have yet")
    assert found.breaks == [], "status, or type, code, param or decline code of an error"
    assert found.compared >= COMPARED_MIN
    assert len(found.drift) <= DRIFT_MAX
    assert [line for line in found.added if not is_described(line)] == [], "fields that Stripe does not have"


def tamper(path: str, **changed: object) -> list[Exchange]:
    """One customer and what is told here of a request for it, as if Stripe had replied so."""
    made = next(each for each in EXCHANGES if each.method == "POST" and each.path == "/v1/customers")
    return [made, dataclasses.replace(made, method="GET", form="", path=path.format(made.body["id"]), **changed)]


async def test_a_departure_is_noticed() -> None:
    """A comparison that cannot fail compares nothing."""
    customer = tamper("/v1/customers/{}")[0].body
    path = "/v1/customers/{}"
    assert (await play(tamper(path))).breaks == []
    assert len((await play(tamper(path, status=404))).breaks) == 1
    lacking = await play(tamper(path, body={**customer, "unheard_of": 1}))
    assert "customer.unheard_of is missing" in lacking.drift
    other = await play(tamper(path, body={**customer, "livemode": True}))
    assert "customer.livemode is False, not True" in other.drift
    assert not is_described("customer.unheard_of" + ADDED)
    error = {"error": {"type": "card_error", "code": "resource_missing", "param": "id"}}
    (broken,) = (await play(tamper("/v1/customers/cus_12345678901234", status=404, body=error))).breaks
    assert broken.endswith("error.type is 'invalid_request_error', not 'card_error'")
