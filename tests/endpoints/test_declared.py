"""Endpoints of the settings: written down at each start, and refused before anything starts when they are wrong."""

from __future__ import annotations

from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.endpoints.receiver import SECRET, Answer, Receiver
from tests.endpoints.rig import ALICE, DAY, HOUR, House, declare, emit, endpoint_row, open_house, told
from tests.identity.rows import rows_of
from tollhouse.clock import SECOND
from tollhouse.endpoints import endpoints, resending
from tollhouse.endpoints.secrets import Secret, create_secret, open_secrets, problem_of, roll, seal_secrets
from tollhouse.endpoints.tables import endpoints as table
from tollhouse.errors import SettingsError
from tollhouse.testing import make_settings

KEY = "k" + "0123456789abcdef" * 4  # of the settings: every start of a test is the same product's
NEW, OLD = create_secret(), create_secret()


class Starts:
    """Starts the product on one database again and again, with other endpoints each time."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._turned = 0.0

    def __call__(self, *declared: dict[str, Any]) -> House:
        house = open_house(self._url, *declared, secret=KEY)
        house.clock.advance(self._turned)
        return house

    def turn(self, seconds: float) -> None:
        self._turned += seconds


@pytest.fixture
def start(migrated_database_url: str) -> Starts:
    return Starts(migrated_database_url)


async def test_it_is_added_kept_and_disabled_with_the_settings(start: Starts):
    url = "https://app.example.com/hook"
    async with start(declare(url)) as kit:
        first = await endpoint_row(kit)
        assert (first["url"], first["is_declared"], first["disabled_at"]) == (url, 1, None)
        assert SECRET.encode() not in first["secrets"]
    start.turn(HOUR)
    async with start(declare(url, event_types=["credits.low"])) as kit:
        second = await endpoint_row(kit)
        assert second["event_types"] == '["credits.low"]'
        assert second["created_at"] == first["created_at"]
        assert second["enabled_at"] > first["enabled_at"], "for what it gets now"
    async with start(declare(url, event_types=["credits.low"])) as kit:
        assert (await endpoint_row(kit))["enabled_at"] == second["enabled_at"]
    async with start() as kit:
        gone = await endpoint_row(kit)
        assert gone["disabled_because"] == "It is in the settings no more."
        await emit(kit, ALICE)
        assert await told(kit) == []
    async with start(declare(url)) as kit:
        back = await endpoint_row(kit)
        assert back["disabled_at"] is None
        assert back["enabled_at"] > first["enabled_at"]


async def test_one_that_was_disabled_stays_so_until_it_moves(start: Starts):
    async with start(declare("https://app.example.com/hook")) as kit:
        await endpoints.disable(kit.toll.run, "app", because="It answered 410 Gone: it wants no more.")
        disabled = await endpoint_row(kit)
    async with start(declare("https://app.example.com/hook", event_types=["credits.low"])) as kit:
        kept = await endpoint_row(kit)
        assert [kept[name] for name in ("disabled_at", "disabled_because")] == [
            disabled[name] for name in ("disabled_at", "disabled_because")
        ]
    async with start(declare("https://app.example.com/other")) as kit:
        moved = await endpoint_row(kit)
        assert (moved["disabled_at"], moved["disabled_because"]) == (None, None)
        assert moved["enabled_at"] > disabled["enabled_at"]


async def test_one_that_is_off_by_the_settings_misses_nothing_between_starts(start: Starts, receiver: Receiver):
    async with start(declare(receiver, enabled=False)) as kit:
        since = (await endpoint_row(kit))["disabled_at"]
        await emit(kit, ALICE)
        await kit.settle()
    start.turn(DAY)
    async with start(declare(receiver, enabled=False)) as kit:
        assert (await endpoint_row(kit))["disabled_at"] == since
    async with start(declare(receiver)) as kit:
        (app,) = await endpoints.find_all(kit.toll.run)
        assert await resending.catch_up(kit.toll.run, app, since=since) == 1
        await receiver.until(1)
        await kit.settle()


async def test_what_waits_is_listed_when_the_settings_say_no_more(start: Starts, receiver: Receiver):
    receiver.usual = Answer(500)
    async with start(declare(receiver)) as kit:
        await emit(kit, ALICE)
        await kit.settle()
    for declared in ([declare(receiver, enabled=False)], [], [declare(receiver, enabled=False)]):
        async with start(*declared) as kit:
            (row,) = await told(kit)
            assert (row["status"], row["reason"]) == ("failed", "The endpoint was disabled. The settings say so.")
    assert len(receiver.arrivals) == 1


async def test_one_by_command_is_left_alone_at_a_start(start: Starts):
    async with start(declare("https://app.example.com/hook")) as kit:
        run = kit.toll.run
        known = await endpoints.find(run, "app")
        sealed = seal_secrets(run.keys, "b", [Secret(NEW)])
        other = endpoints.row_of(known) | {"name": "b", "is_declared": 0, "secrets": sealed}
        await endpoints.add(run, endpoints.Endpoint(**other))
        before = await endpoint_row(kit, "b")
    async with start() as kit:
        assert await endpoint_row(kit, "b") == before
        assert len(await rows_of(kit, table)) == 2


async def test_wrong_settings_are_refused_with_every_problem_named():
    wrong = [
        declare("http://app.example.com/hook", name="http"),
        declare("https://10.0.0.1/hook", name="inside"),
        declare("https://app.example.com/hook", name="types", event_types=["credits.gone", "user.created"]),
        declare("https://app.example.com/hook", name="twice"),
        declare("https://app.example.com/hook", name="twice"),
        declare("https://app.example.com/hook", name="short", secret="whsec_c2hvcnQ="),
        declare("https://app.example.com/hook", name="plain", secret="hunter2hunter2hunter2hunter2hunter2"),
        declare("https://app.example.com/hook", name="guessed", secret="whsec_" + "AAAA" * 11),
    ]
    with pytest.raises(SettingsError) as refused:
        make_settings(endpoints=wrong)
    text = str(refused.value)
    for problem in (
        "http: Only https is called.",
        "inside: The URL names an address",
        "types: there is no event credits.gone",
        "the name twice is there twice",
        "short: a secret has 24 to 64 bytes",
        "plain: a secret begins with whsec_",
        "guessed: this secret looks guessable",
    ):
        assert problem in text, problem
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Not a name"},
        {"name": ""},
        {"secret": []},
        {"secret": [OLD] * 5},
        {"urls": "https://app.example.com"},
        {"with_address": "perhaps"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_table_of_the_wrong_shape_is_refused(wrong: dict[str, Any]):
    with pytest.raises(SettingsError) as refused:
        make_settings(endpoints=[declare("https://app.example.com/hook") | wrong])
    assert "ndpoints" in str(refused.value)
    assert OLD not in str(refused.value)


async def test_every_secret_of_the_settings_signs(receiver: Receiver):
    async with open_house(None, declare(receiver, secret=[NEW, OLD])) as kit:
        await emit(kit, ALICE)
        (arrival,) = await receiver.until(1)
        assert arrival.headers["webhook-signature"].count("v1,") == 2
        for secret in (NEW, OLD):
            assert Webhook(secret).verify(arrival.body, arrival.headers)


@pytest.mark.usefixtures("quick")
async def test_an_old_secret_signs_until_its_time_and_no_longer(kit: House, receiver: Receiver):
    run = kit.toll.run
    before = open_secrets(run.keys, "app", (await endpoint_row(kit))["secrets"], now_us=run.now_us)
    after = roll(before, NEW, until_us=run.now_us + DAY * SECOND)
    await run.db.write(endpoints.SET_SECRETS, wanted="app", sealed=seal_secrets(run.keys, "app", after))

    async def signs(secret: str) -> bool:
        await emit(kit, ALICE)
        await receiver.until(len(receiver.arrivals) + 1)
        await kit.settle()
        arrival = receiver.arrivals[-1]
        try:
            Webhook(secret).verify(arrival.body, arrival.headers)
        except WebhookVerificationError:
            return False
        return True

    while not await signs(NEW):  # known within moments
        pass
    assert await signs(SECRET)
    kit.clock.advance(DAY + 1)
    assert await signs(NEW)
    assert not await signs(SECRET)


def test_rolling_again_prolongs_nothing_and_keeps_four():
    living = [Secret(NEW), Secret(OLD, 5)]
    assert roll(living, SECRET, until_us=9) == [Secret(SECRET), Secret(NEW, 9), Secret(OLD, 5)]
    many = [Secret(str(n), 5) for n in range(9)]
    assert [each.text for each in roll(many, SECRET, until_us=9)] == [SECRET, "0", "1", "2"]


def test_a_secret_that_is_made_is_one():
    assert problem_of(create_secret()) is None
    assert create_secret() != create_secret()
