"""The load: an HTTP/1.1 client that costs little, in a process of its own.

Requests are bytes made beforehand and replies are not parsed beyond status and length, so that of two processors one is
the server's. What the client itself spends is measured and reported beside every result.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).resolve().parent.parent
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: closed loop (each connection sends when it has its reply), or open at `per_second`."""

    port: int
    requests: Sequence[bytes]
    connections: int = 16
    seconds: float | None = None  # begins anew with the requests when they are used up; None: each once
    per_second: float | None = None
    keep_replies: bool = False


@dataclass(slots=True)
class Result:
    """What came back; latencies in seconds, in the order of `started`, which is on the monotonic clock."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter[int])
    started: list[float] = field(default_factory=list[float])
    latencies: list[float] = field(default_factory=list[float])
    replies: list[bytes] = field(default_factory=list[bytes])

    @property
    def per_second(self) -> float:
        """Replies a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that this share of the requests stayed under, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection(asyncio.Protocol):
    """One kept connection; sends the next request when a reply is whole."""

    def __init__(self, load: Load, result: Result, source: Iterator[bytes]) -> None:
        self._keep_replies = load.keep_replies
        self._result = result
        self._source = source
        self._received = b""
        self._began = 0.0
        self.is_lost = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self.send_next()

    def send_next(self) -> None:
        """Send the next request, or be done when none is left."""
        following = next(self._source, None)
        if following is not None:
            self._began = time.monotonic()
            self._transport.write(following)
        elif not self.done.done():
            self.done.set_result(None)

    def send(self, request: bytes, *, due: float) -> None:
        """Send one request that was due at this time."""
        self.done = asyncio.get_running_loop().create_future()
        self._began = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head = received.find(HEAD_END)
        length = LENGTH.search(received, 0, head) if head > 0 else None
        if length is None or len(received) < head + 4 + int(length[1]):
            self._received = received
            return
        self._received = b""
        result = self._result
        result.started.append(self._began)
        result.latencies.append(time.monotonic() - self._began)
        result.statuses[int(received[9:12])] += 1
        if self._keep_replies:
            result.replies.append(received)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True  # no fault while idle: the server hangs up after ten seconds without a request
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the server hung up: {exc}"))


async def run_closed(load: Load) -> Result:
    """Keep every connection busy until the time or the requests are used up."""
    result = Result()
    end = time.monotonic() + load.seconds if load.seconds else None
    requests = cycle(load.requests) if end else iter(load.requests)

    def source() -> Iterator[bytes]:
        for request in requests:
            if end is not None and time.monotonic() >= end:
                return
            yield request

    shared = source()
    await _run([shared] * load.connections, load, result)
    return result


async def run_open(load: Load) -> Result:
    """Send at fixed times whether or not replies have come; a latency counts from when the request was due."""
    assert load.per_second is not None
    result = Result()

    async def connect() -> Connection:
        made = Connection(load, result, iter(()))
        await asyncio.get_running_loop().create_connection(lambda: made, "127.0.0.1", load.port)
        return made

    waiting = [await connect() for _ in range(load.connections)]
    began = time.monotonic()
    for number, request in enumerate(load.requests):
        due = began + number / load.per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        waiting = [each for each in waiting if not (each.is_lost and each.done.done())]
        idle = next((each for each in waiting if each.done.done()), None)
        if idle is None:
            idle = await connect()
            waiting.append(idle)
        idle.send(request, due=due)
    await asyncio.wait_for(asyncio.gather(*(each.done for each in waiting)), PATIENCE_SECONDS)
    result.seconds = time.monotonic() - began
    return result


async def _run(sources: Sequence[Iterator[bytes]], load: Load, result: Result) -> None:
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    made = [Connection(load, result, source) for source in sources]
    for each in made:
        await loop.create_connection(lambda each=each: each, "127.0.0.1", load.port)
    patience = PATIENCE_SECONDS + (load.seconds or 300)
    await asyncio.wait_for(asyncio.gather(*(each.done for each in made)), patience)
    result.seconds = time.monotonic() - began


def send(load: Load) -> Result:
    """Run the load in a process of its own and return what came back; fails on any status that is not 2xx."""
    with tempfile.TemporaryFile() as output:
        subprocess.run(
            [sys.executable, "-m", "bench.load"], input=pickle.dumps(load), stdout=output, cwd=ROOT, check=True
        )
        output.seek(0)
        result: Result = pickle.load(output)
    bad = {status: count for status, count in result.statuses.items() if not 200 <= status < 300}
    if bad or not result.latencies:
        raise RuntimeError(f"port {load.port} answered {bad or 'nothing'}")
    return result


def take(requests: Iterator[bytes], count: int) -> list[bytes]:
    """The next so many requests."""
    return list(islice(requests, count))


def main() -> None:
    """Read a load from standard input, run it, write the result to standard output."""
    load: Load = pickle.loads(sys.stdin.buffer.read())
    gc.disable()
    began = time.process_time()
    result = uvloop.run(run_open(load) if load.per_second else run_closed(load))
    result.cpu_seconds = time.process_time() - began
    sys.stdout.buffer.write(pickle.dumps(result))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Under its full name, so that what is pickled here is known there.
    from bench.load import main as named_main

    named_main()
