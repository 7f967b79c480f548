"""The Next.js example believes events that are signed, and applies each of them once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tollhouse.signing.tokens import create_id

from .conftest import WEBHOOK_SECRET, WEBHOOK_SECRET_BEFORE, App

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]

PATH = "/api/payments/webhook"
APPLIED = (200, {"applied": True})
IGNORED = (200, {"applied": False})
REFUSED = (400, {"error": "signature_invalid"})
OTHER_SECRET = "whsec_" + "bm9ib2R5IGtub3dzIHRoaXMgc2VjcmV0IGF0IGFsbA=="


class Teller:
    """Whoever tells the app of one user, as Tollhouse does."""

    def __init__(self, app: App, http: httpx.AsyncClient) -> None:
        self.user_id = create_id("usr", 0)
        self._app = app
        self._http = http

    def event(self, type: str, sequence: int, **data: Any) -> dict[str, Any]:
        """An event as it goes out."""
        told = {"id": create_id("out", sequence), "type": type, "sequence": sequence}
        return told | {"created_at": "2026-01-01T12:00:00.000000Z", "data": {"user_id": self.user_id} | data}

    async def tell(self, event: dict[str, Any], **wrong: Any) -> tuple[int, Any]:
        """The status and body of the app's reply."""
        reply = await self.send(event, **wrong)
        return reply.status_code, reply.json()

    async def send(
        self, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age_seconds: int = 0, tampered: bool = False
    ) -> httpx.Response:
        """The app's reply."""
        body, at = json.dumps(event), datetime.now(UTC) - timedelta(seconds=age_seconds)
        headers = {
            "content-type": "application/json",
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(event["id"], at, body),
        }
        sent = body.replace('"credits": 100', '"credits": 999') if tampered else body
        assert (sent != body) is tampered
        return await self._http.post(f"{self._app.url}{PATH}", content=sent, headers=headers)

    def known(self) -> dict[str, Any] | None:
        """What the app has written down of the user."""
        file = self._app.payments_file
        return json.loads(file.read_text())["people"].get(self.user_id) if file.exists() else None


@pytest_asyncio.fixture(loop_scope="package")
async def teller(offline_app: App) -> AsyncIterator[Teller]:
    """Somebody who tells the app of a new user; the app needs no Tollhouse to believe it."""
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Teller(offline_app, http)


def credits_of(teller: Teller) -> int | None:
    known = teller.known()
    return known["creditsGranted"] if known else None


async def test_the_same_event_is_applied_once_however_often_it_comes(teller: Teller) -> None:
    event = teller.event("credits.granted", 1, credits=100)
    assert await teller.tell(event) == APPLIED
    assert await teller.tell(event) == APPLIED
    assert await asyncio.gather(*(teller.tell(event) for _ in range(5))) == [APPLIED] * 5
    assert credits_of(teller) == 100


async def test_events_that_come_at_the_same_moment_are_all_kept(teller: Teller) -> None:
    events = [teller.event("credits.granted", number, credits=number) for number in range(1, 11)]
    replies = await asyncio.gather(*(teller.tell(event) for event in events for _ in range(2)))
    assert replies == [APPLIED] * 20
    assert credits_of(teller) == sum(range(1, 11))


@pytest.mark.parametrize(
    "wrong",
    [{"tampered": True}, {"secret": OTHER_SECRET}, {"age_seconds": 301}, {"age_seconds": -330}],
    ids=["tampered", "signed by a stranger", "old", "from the future"],
)
async def test_what_was_not_signed_just_now_by_tollhouse_is_refused(teller: Teller, wrong: dict[str, Any]) -> None:
    event = teller.event("credits.granted", 1, credits=100)
    assert await teller.tell(event, **wrong) == REFUSED
    assert teller.known() is None
    assert await teller.tell(event) == APPLIED, "a refused one does not use the id up"


async def test_what_has_no_signature_is_refused(teller: Teller, offline_app: App) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for headers in ({}, {"webhook-id": "out_1", "webhook-timestamp": "now", "webhook-signature": "v1"}):
            reply = await http.post(f"{offline_app.url}{PATH}", content=b"{}", headers=headers)
            assert (reply.status_code, reply.json()) == REFUSED


async def test_while_the_secret_is_rolled_both_are_good(teller: Teller) -> None:
    for number, secret in enumerate((WEBHOOK_SECRET, WEBHOOK_SECRET_BEFORE), start=1):
        assert await teller.tell(teller.event("credits.granted", number, credits=100), secret=secret) == APPLIED
    assert credits_of(teller) == 200


@pytest.mark.parametrize("type", ["credits.spent", "invoice.sent", "constructor"])
async def test_what_the_app_does_not_know_changes_nothing(teller: Teller, type: str) -> None:
    assert await teller.tell(teller.event(type, 1, credits=3)) == IGNORED
    assert teller.known() is None


async def test_a_plan_is_as_the_latest_event_says_and_not_as_the_last_to_come(teller: Teller) -> None:
    plan = {"subscription_id": "sub_1", "product": "team", "current_period_end": "2026-02-01T12:00:00Z"}
    assert await teller.tell(teller.event("subscription.updated", 1, status="active", **plan)) == APPLIED
    assert await teller.tell(teller.event("subscription.ended", 3, status="canceled", **plan)) == APPLIED
    assert await teller.tell(teller.event("subscription.updated", 2, status="past_due", **plan)) == APPLIED
    known = teller.known()
    assert known is not None
    assert known["plans"]["sub_1"]["status"] == "canceled"


async def test_a_refund_may_be_told_before_its_payment_and_the_latest_counts(teller: Teller) -> None:
    payment = {"payment_id": "pur_1", "currency": "eur"}
    paid = {"product": "credits", "amount_minor": 900}
    for event in (
        teller.event("payment.refunded", 4, reversed_minor=0, **payment),  # the one below failed in the end
        teller.event("payment.refunded", 3, reversed_minor=450, **payment),
        teller.event("payment.succeeded", 2, **payment, **paid),
    ):
        assert await teller.tell(event) == APPLIED
    known = teller.known()
    assert known is not None
    assert known["payments"]["pur_1"] == {
        "currency": "eur",
        "paid": {"product": "credits", "amountMinor": 900},
        "refunded": {"amountMinor": 0, "sequence": 4},
    }


async def test_nothing_is_kept_of_a_deleted_account_whatever_comes_late(teller: Teller) -> None:
    assert await teller.tell(teller.event("user.created", 1)) == APPLIED
    assert teller.known() == {"creditsGranted": 0, "payments": {}, "plans": {}}
    erased, late = teller.event("user.erased", 3), teller.event("credits.granted", 2, credits=100)
    assert await teller.tell(erased) == APPLIED
    assert await teller.tell(late) == IGNORED
    assert await teller.tell(erased) == APPLIED
    assert teller.known() is None


async def test_without_a_place_to_write_nothing_is_said_to_be_applied(teller: Teller, offline_app: App) -> None:
    event, file = teller.event("credits.granted", 1, credits=100), offline_app.payments_file
    blocker = file.with_name(f"{file.name}.new")
    file.parent.mkdir(parents=True, exist_ok=True)
    blocker.mkdir()
    try:
        assert (await teller.send(event)).status_code == 500
    finally:
        blocker.rmdir()
    assert teller.known() is None
    assert await teller.tell(event) == APPLIED, "the next one is not held up"
