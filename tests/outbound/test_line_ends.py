"""How the connections of a line end: by age, by timeout, by being cancelled or closed, and with whom."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from typing import Any

import pytest

from tests.outbound.test_line import (
    HURRIED,
    KEEP,
    SILENCE,
    STALL,
    YES,
    Answer,
    Lines,
    Receiver,
    chunked,
    fail,
    ok,
    post,
)
from tests.support.hostile_issuer import (
    Behaviour,
    HostileIssuer,
    announce_a_gigabyte,
    dribble,
    redirect_to_itself,
    say_wait_without_end,
    send_a_bomb,
    send_crumbs_without_end,
    send_headers_without_end,
    send_without_end,
)
from tollhouse.outbound import Line, OutboundFailed, OutboundLimits, Reach

SMALL = OutboundLimits(total_seconds=5, body_bytes_max=1000)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (redirect_to_itself, "redirect"),
        (dribble, "timeout"),
        (say_wait_without_end, "too_large"),
        (send_headers_without_end, "too_large"),
    ],
)
async def test_a_server_that_means_ill_costs_little_time_and_memory(behaviour: Behaviour, reason: str) -> None:
    limits = OutboundLimits(total_seconds=0.3 if reason == "timeout" else 5, body_bytes_max=1000)
    async with HostileIssuer(behaviour) as server:
        line = Line(server.url(), Reach.CONFIGURED, limits=limits)
        tracemalloc.start()
        try:
            assert await fail(line) == reason
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 4_000_000
        assert await server.hung_up()
        await line.aclose()


@pytest.mark.parametrize(
    ("behaviour", "kept"),
    [
        (announce_a_gigabyte, b"x" * 1000),
        (send_without_end, b"x" * 1000),
        (send_crumbs_without_end, None),
        (send_a_bomb, b""),
    ],
)
async def test_a_reply_that_is_too_long_is_cut_and_hung_up_on(behaviour: Behaviour, kept: bytes | None) -> None:
    async with HostileIssuer(behaviour) as server:
        line = Line(server.url(), Reach.CONFIGURED, limits=SMALL)
        reply = await post(line)
        assert reply.status == 200
        assert reply.body == kept if kept is not None else set(reply.body) == set(b"x")
        assert await server.hung_up()
        await line.aclose()


ANNOUNCED = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        (ok(b"y" * 1001), KEEP),
        (chunked(b"y" * 999, b"yy"), KEEP),
        (chunked(*[b"y"] * 1001), KEEP),
        (ANNOUNCED + b"y" * 1001, STALL),  # the rest is not waited for
    ],
)
async def test_one_byte_more_than_the_limit_is_cut_off(answer: Answer) -> None:
    async with Receiver([answer]) as server, Lines() as lines:
        line = lines(server, limits=SMALL)
        assert (await post(line)).body == b"y" * 1000
        assert await server.has(open_now=0)
        assert (await post(line)).body == b"a"


async def test_what_comes_in_is_counted_for_each_post_and_not_for_the_connection() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server, limits=SMALL)
        for _ in range(2 * SMALL.wire_bytes_max // 1000):
            await post(line, b"x" * 1000)
        assert server.met == 1
        server.answers = [(b"HTTP/1.1 200 OK\r\n" + b"x-more: h\r\n" * 10_000, STALL)]
        assert await fail(line) == "too_large"
        assert await server.has(open_now=0)


@pytest.mark.parametrize("answer", [SILENCE, (b"HTTP/1.1 200 OK\r\n", STALL), (ok(b"yes")[:-1], STALL)])
async def test_a_kept_connection_has_no_more_time_than_a_new_one_and_is_not_kept_after_it(answer: Answer) -> None:
    async with Receiver([YES, answer]) as server, Lines() as lines:
        line = lines(server, limits=HURRIED)
        await post(line)
        started = time.monotonic()
        assert await fail(line, b"b") == "timeout"
        assert time.monotonic() - started < HURRIED.total_seconds + 1
        assert server.bodies == [b"a", b"b"]
        assert await server.has(open_now=0)
        assert (await post(line, b"c")).body == b"c"


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("answer", [SILENCE, (ok(b"yes")[:-1], STALL)])
async def test_a_post_that_is_cancelled_hangs_up_at_once_and_leaves_nothing(kept: int, answer: Answer) -> None:
    before = asyncio.all_tasks()
    async with Receiver([YES] * kept + [answer]) as server, Lines() as lines:
        line = lines(server)
        for _ in range(kept):
            await post(line)
        task = asyncio.create_task(post(line))
        await server.has(asked=kept + 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)
        assert await server.has(open_now=0)
        assert (await post(line)).body == b"a"
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("kept", [0, 1])
async def test_closing_a_line_ends_its_posts_and_every_connection(kept: int) -> None:
    before = asyncio.all_tasks()
    async with Receiver([YES] * kept + [SILENCE] * 3) as server:
        line = Line(server.url(), Reach.CONFIGURED)
        for _ in range(kept):
            await post(line)
        posts = [asyncio.create_task(post(line)) for _ in range(3)]
        await server.has(asked=kept + 3)
        await asyncio.wait_for(line.aclose(), 1)
        assert all(isinstance(task.exception(), OutboundFailed) for task in posts), "ended, and not repeated"
        assert await server.has(open_now=0, asked=kept + 3)
        assert await fail(line) == "connect"
        await line.aclose()
    assert asyncio.all_tasks() == before


async def test_a_connection_that_nobody_needs_is_closed_after_its_time() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server, idle_seconds=0.05)
        for met in (1, 2):
            await post(line)
            assert await server.has(open_now=0)
            assert server.met == met


@pytest.mark.parametrize("limit", [{"life_seconds": 0}, {"idle_seconds": 0}, {"idle_max": 0}])
async def test_a_connection_that_is_too_old_or_too_many_is_not_kept(limit: dict[str, Any]) -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server, **limit)
        for met in (1, 2):
            await post(line)
            assert server.met == met
        assert await server.has(open_now=0)


async def test_a_header_that_would_split_the_request_is_not_sent() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server)
        await post(line)
        with pytest.raises(OutboundFailed):
            await line.post(b"b", headers={"x": "a\r\nb: c"})
        assert server.bodies == [b"a"]
