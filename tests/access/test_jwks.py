"""An issuer's keys: fetched once, kept fresh, kept through its bad days, and never mixed with another's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.hostile_issuer import HostileIssuer, document, header_of, make_key, say_nothing, serve
from tollhouse.access.errors import IssuerUnavailable, TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.access.jwks import BACKOFF_SECONDS_MAX, COOL_DOWN_SECONDS, LIMITS, USABLE_SECONDS, JwksClient
from tollhouse.outbound import Outbound, OutboundLimits
from tollhouse.telemetry import metrics

DOWN = serve(b"out of order", status="500 Oops")


class Hands:
    """A monotonic clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


Make = Callable[..., JwksClient]


def issuer_at(url: str, name: str = "acme", **options: Any) -> Issuer:
    return Issuer(name=name, issuer="https://acme.example", jwks_url=url, audiences=("api",), **options)


async def landed(client: JwksClient) -> None:
    """Wait for what was started behind a request."""
    if client._flight is not None:
        await asyncio.wait({client._flight})


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def server() -> AsyncIterator[HostileIssuer]:
    async with HostileIssuer(serve(document("one", "two"))) as running:
        yield running


@pytest.fixture
async def make(hands: Hands) -> AsyncIterator[Make]:
    """Makes clients, closed at the end."""
    made: list[JwksClient] = []

    def make_one(url: str, name: str = "acme", **options: Any) -> JwksClient:
        made.append(JwksClient(issuer_at(url, name), clock=hands, **options))
        return made[-1]

    yield make_one
    for client in made:
        await client.close()


async def kid_found(client: JwksClient, kid: str | None) -> str | None:
    return (await client.find(kid, "ES256")).kid


async def test_nothing_is_fetched_before_the_first_question(server: HostileIssuer, make: Make) -> None:
    client = make(server.url())
    assert client.peek("one", "ES256") is None
    await asyncio.sleep(0.02)
    assert server.asked == 0
    assert await kid_found(client, "one") == "one"
    found = client.peek("two", "ES256")
    assert found is not None
    assert found.kid == "two"
    assert server.asked == 1


async def test_a_hundred_questions_at_once_are_one_fetch(server: HostileIssuer, make: Make) -> None:
    client = make(server.url())
    assert set(await asyncio.gather(*(kid_found(client, "one") for _ in range(100)))) == {"one"}
    assert server.asked == 1


async def test_a_question_that_is_given_up_leaves_the_others_their_fetch(server: HostileIssuer, make: Make) -> None:
    client = make(server.url())
    first = asyncio.create_task(kid_found(client, "one"))
    second = asyncio.create_task(kid_found(client, "two"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "two"
    assert server.asked == 1


async def test_a_key_is_found_for_its_own_algorithm_only(server: HostileIssuer, make: Make) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    for algorithm in ("RS256", "ES384", "HS256", "none"):
        with pytest.raises(TokenInvalid):
            await client.find("one", algorithm)


async def test_without_a_kid_the_only_key_that_fits_is_found(make: Make) -> None:
    async with HostileIssuer(serve(document("one"))) as alone:
        assert await kid_found(make(alone.url()), None) == "one"


@pytest.mark.parametrize(("cache_control", "seconds"), [(None, 600), ("max-age=120", 120), ("max-age=5", 60)])
async def test_a_stale_document_serves_at_once_and_is_refreshed_behind(
    server: HostileIssuer, make: Make, hands: Hands, cache_control: str | None, seconds: int
) -> None:
    headers = {"cache_control": cache_control} if cache_control else {}
    server.behaviour = serve(document("one"), **headers)
    client = make(server.url())
    old = await client.find("one", "ES256")
    hands.seconds += seconds - 1
    assert client.peek("one", "ES256") is old
    await landed(client)
    assert server.asked == 1, "fresh"

    server.behaviour = serve(document("one", "next"), **headers)
    hands.seconds += 1
    assert [client.peek("one", "ES256") for _ in range(100)] == [old] * 100
    await landed(client)
    assert server.asked == 2, "one task for all"
    new = client.peek("one", "ES256")
    assert new is not None
    assert new is not old
    assert client.peek("next", "ES256") is not None


async def test_what_has_not_changed_is_not_sent_again(server: HostileIssuer, make: Make, hands: Hands) -> None:
    server.behaviour = serve(document("one"), etag='"v1"')
    client = make(server.url())
    kept = await client.find("one", "ES256")
    for fetches in (2, 3):
        hands.seconds += 600
        assert client.peek("one", "ES256") is kept
        await landed(client)
        assert server.asked == fetches
        assert header_of(server.heads[-1], "if-none-match") == '"v1"'
    assert client.peek("one", "ES256") is kept
    server.behaviour = serve(document("two"), etag='"v2"')
    hands.seconds += 600
    client.peek("one", "ES256")
    await landed(client)
    assert client.peek("one", "ES256") is None
    assert await kid_found(client, "two") == "two"


async def test_a_key_that_the_issuer_took_back_is_gone_with_the_next_document(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    server.behaviour = serve(document("two"))
    hands.seconds += 601
    client.peek("one", "ES256")
    await landed(client)
    with pytest.raises(TokenInvalid):
        await client.find("one", "ES256")


async def test_a_key_taken_back_while_nobody_asked_serves_nobody_who_comes_later(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    server.behaviour = serve(document("two"))
    hands.seconds += 2 * 600
    assert client.peek("one", "ES256") is None, "too old to serve before the issuer was asked"
    with pytest.raises(TokenInvalid):
        await client.find("one", "ES256")
    assert server.asked == 2, "one fetch for both"
    assert await kid_found(client, "two") == "two"


async def test_keys_that_nobody_asked_for_in_hours_serve_again_after_one_fetch(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    hands.seconds += USABLE_SECONDS - 1
    assert set(await asyncio.gather(*(kid_found(client, "one") for _ in range(100)))) == {"one"}
    assert server.asked == 2
    assert client.peek("one", "ES256") is not None


async def test_old_keys_serve_only_once_the_issuer_was_asked_in_vain(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    kept = await client.find("one", "ES256")
    server.behaviour = DOWN
    hands.seconds += 7200
    assert client.peek("one", "ES256") is None
    assert await client.find("one", "ES256") is kept
    assert server.asked == 2
    for _ in range(30):  # a server with much to do: nobody waits for an issuer that may hang
        hands.seconds += 60
        assert client.peek("one", "ES256") is kept
        await landed(client)
    assert server.asked == 32, "tried again each time"
    server.behaviour = serve(document("two"))
    hands.seconds += 600
    assert client.peek("one", "ES256") is None, "the last try is long ago"
    with pytest.raises(TokenInvalid):
        await client.find("one", "ES256")


async def test_whoever_remembers_what_a_key_signed_is_told_when_it_is_gone(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    one, two = make_key("one"), make_key("two")
    told: list[int] = []
    client = make(server.url())
    client.on_removed += (lambda: told.append(server.asked),)

    async def publish(*keys: dict[str, Any]) -> list[int]:
        server.behaviour = serve(json.dumps({"keys": keys}).encode())
        hands.seconds += 600
        client.peek("one", "ES256")
        await landed(client)
        return told

    server.behaviour = serve(json.dumps({"keys": [one]}).encode())
    await client.find("one", "ES256")
    assert await publish(one) == [], "the same"
    assert await publish(two, one) == [], "one more"
    assert await publish(two) == [4], "one less"
    assert await publish(make_key("two")) == [4, 5], "another under its name"
    server.behaviour = DOWN
    hands.seconds += 600
    client.peek("two", "ES256")
    await landed(client)
    assert server.asked == 6
    assert told == [4, 5], "a fetch that fails takes no key away"


async def test_a_fetch_for_a_key_we_lack_passes_every_cache_on_the_way(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())

    def said() -> str | None:
        return header_of(server.heads[-1], "cache-control")

    await client.find("one", "ES256")
    assert said() is None
    hands.seconds += 600
    client.peek("one", "ES256")
    await landed(client)
    assert server.asked == 2
    assert said() is None, "what is due is asked for as ever"
    hands.seconds += COOL_DOWN_SECONDS
    with pytest.raises(TokenInvalid):
        await client.find("new", "ES256")
    assert server.asked == 3
    assert said() == "no-cache"
    hands.seconds += 600
    with pytest.raises(TokenInvalid):
        await client.find("new", "ES256")
    assert server.asked == 4
    assert said() == "no-cache", "due, but it is the key that is asked for"


async def test_a_new_key_is_found_at_once_when_the_issuer_was_not_asked_lately(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    server.behaviour = serve(document("one", "new"))
    with pytest.raises(TokenInvalid):
        await client.find("new", "ES256")
    assert server.asked == 1, "asked a moment ago"
    hands.seconds += COOL_DOWN_SECONDS
    assert set(await asyncio.gather(*(kid_found(client, "new") for _ in range(100)))) == {"new"}
    assert server.asked == 2


async def test_a_thousand_made_up_kids_are_one_fetch_a_minute_and_push_nothing_out(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    await client.find("one", "ES256")
    kept = client.peek("one", "ES256")
    for minute in range(3):
        hands.seconds += COOL_DOWN_SECONDS
        tries = (client.find(f"made-up-{minute}-{number}", "ES256") for number in range(1000))
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert all(isinstance(outcome, TokenInvalid) for outcome in outcomes)
        assert server.asked == minute + 2
        assert client.peek("one", "ES256") is not None
    assert kept is not None


async def test_made_up_kids_ask_an_issuer_that_is_down_no_more_often(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    kept = await client.find("one", "ES256")
    server.behaviour = DOWN
    hands.seconds += COOL_DOWN_SECONDS
    for number in range(100):
        with pytest.raises(IssuerUnavailable):
            await client.find(f"made-up-{number}", "ES256")
    assert server.asked == 2
    assert client.peek("one", "ES256") is kept


async def test_a_new_key_is_no_bad_token_while_the_issuer_cannot_be_asked(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    kept = await client.find("one", "ES256")
    server.behaviour = DOWN
    hands.seconds += COOL_DOWN_SECONDS
    for fetches, pause in enumerate((10, 20, 40, 60, 60), 2):
        for _ in range(3):
            with pytest.raises(IssuerUnavailable) as refused:
                await client.find("new", "ES256")
            assert refused.value.retry_after_seconds == pause
        assert server.asked == fetches
        assert client.peek("one", "ES256") is kept
        hands.seconds += pause
    server.behaviour = serve(document("one", "new"))
    assert await kid_found(client, "new") == "new"
    with pytest.raises(TokenInvalid):
        await client.find("made-up", "ES256")


async def test_old_keys_serve_for_a_day_while_the_issuer_is_down_and_then_no_longer(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    client = make(server.url())
    kept = await client.find("one", "ES256")
    server.behaviour = DOWN
    started = hands.seconds
    while hands.seconds + 1800 < started + USABLE_SECONDS:
        hands.seconds += 1800
        assert await client.find("one", "ES256") is kept
    assert server.asked == 48, "tried again each time"
    hands.seconds = started + USABLE_SECONDS
    assert client.peek("one", "ES256") is None
    with pytest.raises(IssuerUnavailable):
        await client.find("one", "ES256")
    server.behaviour = serve(document("one"))
    hands.seconds += BACKOFF_SECONDS_MAX
    assert await kid_found(client, "one") == "one"


async def test_an_issuer_that_fails_is_left_in_peace_for_longer_and_longer(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    server.behaviour = DOWN
    client = make(server.url())
    for fetches, pause in enumerate((10, 20, 30, 30, 30), 1):
        for _ in range(3):
            with pytest.raises(IssuerUnavailable) as refused:
                await client.find("one", "ES256")
            assert refused.value.retry_after_seconds == pause
            assert refused.value.status == 503
        assert server.asked == fetches, "those that come meanwhile are refused at once"
        hands.seconds += pause
    server.behaviour = serve(document("one"))
    assert await kid_found(client, "one") == "one"
    server.behaviour = DOWN
    hands.seconds += 600
    client.peek("one", "ES256")
    await landed(client)
    assert client._retry_at == hands.seconds + 10, "a success forgives"


async def test_an_issuer_that_is_not_there_can_come_back(server: HostileIssuer, make: Make, hands: Hands) -> None:
    client = make(server.url())
    await server.stop()
    with pytest.raises(IssuerUnavailable):
        await client.find("one", "ES256")
    async with server:
        hands.seconds += 10
        assert await kid_found(client, "one") == "one"


async def test_closing_ends_a_fetch_and_whoever_waits_for_it_starts_no_other(server: HostileIssuer, make: Make) -> None:
    server.behaviour = say_nothing
    client = make(server.url())
    waiting = asyncio.create_task(client.find("one", "ES256"))
    await asyncio.sleep(0.05)
    assert server.open_now == 1
    async with asyncio.timeout(1):
        await client.close()
    with pytest.raises(IssuerUnavailable):
        await waiting
    assert await server.hung_up()
    await asyncio.sleep(0.02)
    assert server.asked == 1


async def test_after_closing_the_next_question_starts_anew(server: HostileIssuer, make: Make) -> None:
    told: list[int] = []
    client = make(server.url(), "again")
    client.on_removed += (lambda: told.append(server.asked),)
    await client.find("one", "ES256")
    await client.close()
    await client.close()
    assert told == [1], "what these keys signed is not remembered longer than they are"
    assert client.peek("one", "ES256") is None
    server.behaviour = serve(document("one"))
    assert await kid_found(client, "one") == "one"
    assert server.asked == 2
    assert metrics.registry.get_sample_value("tollhouse_jwks_age_seconds", {"issuer": "again"}) == 0
    await client.close()
    server.behaviour = DOWN
    with pytest.raises(IssuerUnavailable):
        await client.find("one", "ES256")
    await client.close()
    server.behaviour = serve(document("one"))
    assert await kid_found(client, "one") == "one", "nor does the pause after a failure outlast it"


def test_one_client_serves_an_application_that_is_started_again_in_another_loop() -> None:
    server = HostileIssuer(serve(document("one")))
    made: list[JwksClient] = []

    async def run_once() -> str | None:
        async with server:
            client = made[0] if made else JwksClient(issuer_at(server.url()))
            made[:] = [client]
            kid = await kid_found(client, "one")
            await client.close()
            return kid

    assert [asyncio.run(run_once()) for _ in range(2)] == ["one", "one"]
    assert server.asked == 2


async def test_closing_one_of_two_that_never_fetched_leaves_the_others_gauge(server: HostileIssuer, make: Make) -> None:
    used, unused = make(server.url(), "twice"), make(server.url(), "twice")
    await used.find("one", "ES256")
    await unused.close()
    assert metrics.registry.get_sample_value("tollhouse_jwks_age_seconds", {"issuer": "twice"}) == 0


async def test_two_issuers_with_the_same_kid_have_each_their_own_key(make: Make) -> None:
    async with HostileIssuer(serve(document("one"))) as ours, HostileIssuer(serve(document("one", "evil"))) as theirs:
        mine, other = make(ours.url(), "acme"), make(theirs.url(), "mallory")
        found = [await client.find("one", "ES256") for client in (mine, other)]
        assert found[0].key.as_dict(private=False) != found[1].key.as_dict(private=False)
        with pytest.raises(TokenInvalid):
            await mine.find("evil", "ES256")


def test_a_fetch_of_a_loop_that_stands_still_is_waited_for_in_no_other() -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:
        silent = HostileIssuer(say_nothing)
        first.run(silent.__aenter__())
        stuck = JwksClient(issuer_at(silent.url()))

        async def ask_in_vain() -> None:
            asking = asyncio.create_task(stuck.find("one", "ES256"))
            await asyncio.sleep(0.05)
            asking.cancel()

        async def ask_elsewhere() -> str | None:
            async with HostileIssuer(serve(document("one"))) as server:
                client = JwksClient(issuer_at(server.url()))
                client._flight = stuck._flight
                kid = await kid_found(client, "one")
                await client.close()
                return kid

        first.run(ask_in_vain())
        assert stuck._flight is not None
        assert not stuck._flight.done()
        assert second.run(ask_elsewhere()) == "one"
        first.run(stuck.close())
        first.run(silent.stop())


async def test_a_private_address_is_asked_only_where_the_operator_said_so() -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    for private, reason in ((False, "address"), (True, "connect")):
        issuer = issuer_at("https://keys.internal:9/jwks", private_network=private)
        client = JwksClient(issuer, outbound=Outbound(issuer.reach, limits=LIMITS, resolver=inside))
        with capture_logs() as logs, pytest.raises(IssuerUnavailable):
            await client.find("one", "ES256")
        assert [line["reason"] for line in logs] == [reason]
        await client.close()


async def test_fetches_are_logged_and_counted_by_issuer_and_outcome(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    def counted(outcome: str) -> float:
        labels = {"issuer": "counted", "outcome": outcome}
        return metrics.registry.get_sample_value("tollhouse_jwks_fetches_total", labels) or 0

    def age() -> float | None:
        return metrics.registry.get_sample_value("tollhouse_jwks_age_seconds", {"issuer": "counted"})

    keys = [make_key("one"), {"kty": "future", "kid": "two"}]
    server.behaviour = serve(json.dumps({"keys": keys}).encode(), etag='"v1"')
    client = make(server.url("/keys?secret=1"), "counted")
    with capture_logs() as logs:
        await client.find("one", "ES256")
        hands.seconds += 600
        client.peek("one", "ES256")
        await landed(client)
        server.behaviour = DOWN
        hands.seconds += 600
        client.peek("one", "ES256")
        await landed(client)
    assert [(line["event"], line.get("outcome"), line.get("reason")) for line in logs] == [
        ("jwks_fetched", "fetched", None),
        ("jwks_fetched", "unchanged", None),
        ("jwks_fetch_failed", None, "status_500"),
    ]
    assert logs[0]["passed_over"] == "an unknown kind"
    assert "secret" not in str(logs)
    assert [counted(outcome) for outcome in ("fetched", "unchanged", "failed")] == [1, 1, 1]
    assert age() == 600
    await client.close()
    assert age() is None


async def test_a_mistake_of_ours_in_reading_a_document_is_a_failed_fetch_and_not_the_end(
    server: HostileIssuer, make: Make, hands: Hands
) -> None:
    class Broken(Outbound):
        async def request(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    client = make(server.url(), outbound=Broken(limits=OutboundLimits()))
    for _ in range(2):
        with capture_logs() as logs, pytest.raises(IssuerUnavailable):
            await client.find("one", "ES256")
        assert [line["event"] for line in logs] == ["jwks_fetch_broken", "jwks_fetch_failed"]
        hands.seconds += 60
