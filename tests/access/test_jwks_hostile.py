"""Issuers that flood, stall, lie and break off: the good keys serve on, and it costs little."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from tests.support.hostile_issuer import (
    Behaviour,
    HostileIssuer,
    announce_a_gigabyte,
    break_off,
    change_keys,
    document,
    dribble,
    make_key,
    redirect_to_itself,
    say_nothing,
    say_wait_without_end,
    send_a_bomb,
    send_crumbs_without_end,
    send_headers_without_end,
    send_without_end,
    serve,
)
from tollhouse.access.errors import IssuerUnavailable, TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.access.jwks import LIMITS, WAIT_SECONDS_MAX, JwksClient
from tollhouse.outbound import Outbound, OutboundLimits

pytestmark = pytest.mark.slow  # many, one after the other

HURRIED = OutboundLimits(total_seconds=0.8, connect_seconds=0.8, body_bytes_max=LIMITS.body_bytes_max)
SLOW = (dribble, say_nothing)
SOCKET_BUFFERS_BYTES_MAX = 16_000_000  # what the kernel takes from a server though nobody reads it

ONE = make_key("one")
SECRET_KEY = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "secret", "alg": "HS256"}


def keys(*members: object) -> Behaviour:
    return serve(json.dumps({"keys": members}).encode())


BAD = {
    "1 GB": announce_a_gigabyte,
    "endless chunks": send_without_end,
    "endless crumbs": send_crumbs_without_end,
    "endless headers": send_headers_without_end,
    "endless interim replies": say_wait_without_end,
    "redirects": redirect_to_itself,
    "1 byte a second": dribble,
    "silence": say_nothing,
    "gzip bomb": send_a_bomb,
    "half a document": break_off,
    "10,000 keys": keys(*(dict(ONE, kid=str(number)) for number in range(10_000))),
    "101 keys": keys(*(dict(ONE, kid=str(number)) for number in range(101))),
    "500": serve(b"", status="500 Oops"),
    "404 with keys": serve(document("one"), status="404 Not Found"),
    "a page": serve(b"<!doctype html><title>Sign in</title>", content_type="text/html"),
    "no keys": keys(),
    "two of one kid": keys(ONE, make_key("one")),
    "a symmetric key": keys(ONE, SECRET_KEY),
    "a private key": keys(dict(ONE, d="AAAA")),
    "deep nesting": serve(b'{"keys":' + b"[" * 100_000),
    "a name twice": serve(b'{"keys":[],"keys":[' + json.dumps(ONE).encode() + b"]}"),
    "a huge number": serve(b'{"keys":[{"kty":"RSA","kid":"one","e":"AQAB","n":' + b"9" * 200_000 + b"}]}"),
}


@pytest.fixture
async def server() -> AsyncIterator[HostileIssuer]:
    async with HostileIssuer(serve(document("one"))) as running:
        yield running


class Hands:
    """A monotonic clock that only the test moves."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def limits_for(bad: Behaviour) -> OutboundLimits:
    """What takes the whole time takes less of it here; the rest has all of it, however busy this machine is."""
    return HURRIED if bad in SLOW else LIMITS


def make_client(server: HostileIssuer, hands: Hands, limits: OutboundLimits = LIMITS) -> JwksClient:
    issuer = Issuer(name="acme", issuer="https://acme.example", jwks_url=server.url(), audiences=("api",))
    return JwksClient(issuer, outbound=Outbound(issuer.reach, limits=limits), clock=hands)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_bad_issuer_takes_no_good_key_away_and_costs_little(server: HostileIssuer, bad: Behaviour) -> None:
    hands = Hands()
    client = make_client(server, hands, limits_for(bad))
    kept = await client.find("one", "ES256")
    before = server.bytes_sent
    server.behaviour = bad
    hands.seconds += 600
    started = time.monotonic()
    tracemalloc.start()
    try:
        assert client.peek("one", "ES256") is kept
        assert time.monotonic() - started < 0.1, "nobody waits for the refresh"
        with pytest.raises(IssuerUnavailable):
            await client.find("made-up", "ES256")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert client.peek("one", "ES256") is kept
    assert server.asked == 2
    assert time.monotonic() - started < limits_for(bad).total_seconds + 1
    assert server.bytes_sent - before < SOCKET_BUFFERS_BYTES_MAX
    assert peak_bytes < 16_000_000
    await client.close()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_bad_issuer_from_the_start_is_unavailable_and_can_mend(server: HostileIssuer, bad: Behaviour) -> None:
    hands = Hands()
    client = make_client(server, hands, limits_for(bad))
    server.behaviour = bad
    outcomes = await asyncio.gather(*(client.find("one", "ES256") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(outcome, IssuerUnavailable) for outcome in outcomes)
    assert server.asked == 1
    server.behaviour = serve(document("one"))
    hands.seconds += 10
    assert (await client.find("one", "ES256")).kid == "one"
    await client.close()


async def test_keys_that_change_at_every_request_are_asked_for_no_more_often(server: HostileIssuer) -> None:
    hands = Hands()
    client = make_client(server, hands)
    server.behaviour = change_keys
    for number in range(200):
        with pytest.raises(TokenInvalid):
            await client.find(f"made-up-{number}", "ES256")
    assert server.asked == 1
    await client.close()


@pytest.mark.slow
@pytest.mark.parametrize("bad", SLOW)
async def test_with_the_limits_of_production_nobody_waits_longer_than_five_seconds(
    server: HostileIssuer, bad: Behaviour
) -> None:
    client = make_client(server, Hands(), LIMITS)
    server.behaviour = bad
    started = time.monotonic()
    with pytest.raises(IssuerUnavailable):
        await client.find("one", "ES256")
    assert time.monotonic() - started < WAIT_SECONDS_MAX + 0.5
    await client.close()


async def test_a_hundred_keys_are_taken(server: HostileIssuer) -> None:
    server.behaviour = keys(*(dict(ONE, kid=str(number)) for number in range(100)))
    client = make_client(server, Hands())
    assert (await client.find("99", "ES256")).kid == "99"
    await client.close()


async def test_a_key_of_a_kind_we_do_not_know_takes_none_of_the_others_away(server: HostileIssuer) -> None:
    server.behaviour = keys({"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AAAA"}, ONE)
    client = make_client(server, Hands())
    assert (await client.find("one", "ES256")).kid == "one"
    await client.close()
