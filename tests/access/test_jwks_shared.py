"""Replicas share what one of them fetched through a real Valkey, which is believed in nothing."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from structlog.testing import capture_logs
from valkey.asyncio import Valkey

from tests.support.hostile_issuer import HostileIssuer, document, serve
from tests.support.valkey import ValkeyServer
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.access.jwks import COOL_DOWN_SECONDS, JwksClient
from tollhouse.access.jwks_documents import KeyDocument
from tollhouse.access.jwks_shared import SEALED_BYTES_MAX, TIMEOUT_SECONDS, SharedDocuments
from tollhouse.outbound import Reply
from tollhouse.signing.keyring import Keyring

RING = Keyring(secrets.token_bytes(32), secrets.token_bytes(32))
SOMEBODY = Keyring(secrets.token_bytes(32), secrets.token_bytes(32))


class Hands:
    """A clock that only the test moves; as the wall clock it began elsewhere."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds + 1_700_000_000.0


class Replicas:
    """Makes replicas that share one Valkey and one pair of hands."""

    def __init__(self, url: str, server: HostileIssuer) -> None:
        self.url = url
        self.server = server
        self.hands = Hands()
        self.clients: list[JwksClient] = []
        self.shared: list[SharedDocuments] = []

    def issuer(self, issuer: str = "https://acme.example") -> Issuer:
        return Issuer(name="acme", issuer=issuer, jwks_url=self.server.url(), audiences=("api",))

    def share(self, keys: Keyring = RING, now: Callable[[], float] | None = None) -> SharedDocuments:
        self.shared.append(SharedDocuments(self.url, keys, now=now or self.hands.wall))
        return self.shared[-1]

    def start(self, keys: Keyring = RING) -> JwksClient:
        self.clients.append(JwksClient(self.issuer(), shared=self.share(keys), clock=self.hands))
        return self.clients[-1]

    async def close(self) -> None:
        for each in (*self.clients, *self.shared):
            await each.close()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """One of the test's own, to kill and to freeze."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def server() -> AsyncIterator[HostileIssuer]:
    async with HostileIssuer(serve(document("one"), etag='"v1"')) as running:
        yield running


@pytest.fixture
async def replicas(valkey: ValkeyServer, server: HostileIssuer) -> AsyncIterator[Replicas]:
    made = Replicas(valkey.url, server)
    yield made
    await made.close()


async def keys_in(url: str) -> list[bytes]:
    async with Valkey.from_url(url) as client:
        return list(await client.keys())


async def overwrite(url: str, value: bytes) -> None:
    async with Valkey.from_url(url) as client:
        for key in await client.keys():
            await client.set(key, value)


async def stored(url: str) -> bytes:
    async with Valkey.from_url(url) as client:
        return await client.get((await client.keys())[0])


async def test_what_one_replica_fetched_no_other_fetches(replicas: Replicas, server: HostileIssuer) -> None:
    for _ in range(4):
        assert (await replicas.start().find("one", "ES256")).kid == "one"
    assert server.asked == 1


async def test_a_document_is_refreshed_by_the_first_that_finds_it_stale(
    replicas: Replicas, server: HostileIssuer
) -> None:
    clients = [replicas.start() for _ in range(4)]
    for client in clients:
        await client.find("one", "ES256")
    server.behaviour = serve(document("one", "two"))
    replicas.hands.seconds += 601
    for client in clients:
        client.peek("one", "ES256")
        await asyncio.wait({client._flight}) if client._flight else None
        assert client.peek("two", "ES256") is not None
    assert server.asked == 2


async def test_a_key_taken_back_is_gone_at_every_replica_that_learns_of_it(
    replicas: Replicas, server: HostileIssuer
) -> None:
    clients = [replicas.start() for _ in range(3)]
    told: list[int] = []
    for number, client in enumerate(clients):
        client.on_removed += (lambda number=number: told.append(number),)
        await client.find("one", "ES256")
    server.behaviour = serve(document("two"))
    replicas.hands.seconds += 3600
    for client in clients:
        with pytest.raises(TokenInvalid):
            await client.find("one", "ES256")
    assert server.asked == 2
    assert told == [0, 1, 2]


async def test_a_new_key_is_asked_for_once_by_all_together(replicas: Replicas, server: HostileIssuer) -> None:
    clients = [replicas.start() for _ in range(4)]
    for client in clients:
        await client.find("one", "ES256")
    server.behaviour = serve(document("one", "new"))
    replicas.hands.seconds += COOL_DOWN_SECONDS
    for client in clients:
        assert (await client.find("new", "ES256")).kid == "new"
    assert server.asked == 2


async def test_a_replica_that_took_an_older_document_still_asks_for_a_key_it_lacks(
    replicas: Replicas, server: HostileIssuer
) -> None:
    await replicas.start().find("one", "ES256")
    server.behaviour = serve(document("one", "new"))
    replicas.hands.seconds += COOL_DOWN_SECONDS
    assert (await replicas.start().find("new", "ES256")).kid == "new"
    assert server.asked == 2


async def test_made_up_kids_at_many_replicas_are_one_fetch(replicas: Replicas, server: HostileIssuer) -> None:
    for number in range(5):
        client = replicas.start()
        for kid in range(50):
            with pytest.raises(TokenInvalid):
                await client.find(f"made-up-{number}-{kid}", "ES256")
    assert server.asked == 1


async def test_what_is_put_into_valkey_by_others_is_not_believed(
    replicas: Replicas, server: HostileIssuer, valkey: ValkeyServer
) -> None:
    await replicas.start().find("one", "ES256")
    evil = KeyDocument.read(Reply(200, {}, document("evil")), None)
    sealed = await stored(valkey.url)
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    await replicas.share(SOMEBODY).put(replicas.issuer(), evil)
    by_another = await stored(valkey.url)
    clear = json.dumps({"fetched_at": 0, "fresh_seconds": 3600, "etag": None, "body": evil.body.decode()}).encode()
    for fetches, planted in enumerate(
        (flipped, by_another, clear, b"x", sealed[:40], b"x" * (SEALED_BYTES_MAX * 2)), 2
    ):
        await overwrite(valkey.url, planted)
        client = replicas.start()
        with capture_logs() as logs:
            assert (await client.find("one", "ES256")).kid == "one"
        assert "shared_jwks_refused" in [line["event"] for line in logs]
        assert client.peek("evil", "ES256") is None
        assert server.asked == fetches


async def test_of_what_others_heap_up_in_valkey_no_more_is_read_than_a_document_has(
    replicas: Replicas, valkey: ValkeyServer
) -> None:
    shared = replicas.share()
    await shared.put(replicas.issuer(), KeyDocument.read(Reply(200, {}, document("one")), None))
    await overwrite(valkey.url, b"x" * 20_000_000)
    tracemalloc.start()
    try:
        assert await shared.get(replicas.issuer()) is None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8_000_000


async def test_a_sealed_document_is_good_for_its_own_issuer_only(replicas: Replicas, valkey: ValkeyServer) -> None:
    shared = replicas.share()
    mine, other = replicas.issuer(), replicas.issuer("https://mallory.example")
    await shared.put(other, KeyDocument.read(Reply(200, {}, document("evil")), None))
    assert await shared.get(other) is not None
    assert await shared.get(mine) is None
    planted = await stored(valkey.url)
    await shared.put(mine, KeyDocument.read(Reply(200, {}, document("one")), None))
    await overwrite(valkey.url, planted)
    assert await shared.get(mine) is None


async def test_an_old_document_put_back_is_refused_once_it_is_not_fresh(replicas: Replicas) -> None:
    shared = replicas.share()
    await shared.put(replicas.issuer(), KeyDocument.read(Reply(200, {}, document("one")), None))
    replicas.hands.seconds += 599
    found = await shared.get(replicas.issuer())
    assert found is not None
    assert found.age_seconds == 599
    replicas.hands.seconds += 1
    assert await shared.get(replicas.issuer()) is None
    early = replicas.share(now=lambda: replicas.hands.wall() - 600 - 61)
    assert await early.get(replicas.issuer()) is None, "from a clock that is far ahead"


async def test_what_lies_in_valkey_goes_by_itself_and_tells_nothing(replicas: Replicas, valkey: ValkeyServer) -> None:
    await replicas.start().find("one", "ES256")
    [key] = await keys_in(valkey.url)
    async with Valkey.from_url(valkey.url) as client:
        assert 0 < await client.pttl(key) <= 600_000
        value = await client.get(key)
    assert key.startswith(b"tollhouse:jwks:")
    assert b"acme" not in key + value


@pytest.mark.slow
async def test_a_dead_valkey_is_as_none(replicas: Replicas, server: HostileIssuer, valkey: ValkeyServer) -> None:
    await replicas.start().find("one", "ES256")
    valkey.stop()
    client = replicas.start()
    started = time.monotonic()
    assert (await client.find("one", "ES256")).kid == "one"
    assert time.monotonic() - started < TIMEOUT_SECONDS + 0.5
    assert server.asked == 2
    valkey.start()
    replicas.hands.seconds += 601
    await asyncio.sleep(5.2)
    client.peek("one", "ES256")
    assert client._flight is not None
    await asyncio.wait({client._flight})
    await replicas.start().find("one", "ES256")
    assert server.asked == 3, "shared again"


@pytest.mark.slow
async def test_a_frozen_valkey_costs_half_a_second_once(
    replicas: Replicas, server: HostileIssuer, valkey: ValkeyServer
) -> None:
    async with Valkey.from_url(valkey.url) as client:
        pid = (await client.info("server"))["process_id"]
    shared = replicas.share()
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert await shared.get(replicas.issuer()) is None
        assert time.monotonic() - started < TIMEOUT_SECONDS + 0.3
        started = time.monotonic()
        for _ in range(10):
            assert await shared.get(replicas.issuer()) is None
        assert time.monotonic() - started < 0.1, "nobody waits for it again so soon"
        assert (await replicas.start().find("one", "ES256")).kid == "one"
        assert server.asked == 1
    finally:
        os.kill(pid, signal.SIGCONT)
