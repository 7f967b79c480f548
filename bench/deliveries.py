"""Deliveries to an endpoint, measured on one database: a backlog, one that grows meanwhile, and the worker's memory."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, redirect_stderr
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy import func, select

from bench.report import Row, at_least
from bench.servers import Server, bare_route, databases
from bench.signing_in import ROUNDS, Bench
from tollhouse.app import Tollhouse
from tollhouse.db import Statement, Transaction
from tollhouse.db.migrations import migrate
from tollhouse.endpoints import declared
from tollhouse.endpoints.bodies import body_of
from tollhouse.endpoints.lanes import PACE, EndpointLanes
from tollhouse.endpoints.secrets import create_secret
from tollhouse.events import Event, Worker
from tollhouse.events.tables import deliveries, is_waiting
from tollhouse.runtime import Runtime
from tollhouse.telemetry import logs
from tollhouse.testing import make_settings

WANTED = 0.60  # of a loop of httpx that posts the same to the same sink
DRAINS_WANTED = 2.0  # times as fast as new ones arrive
MEMORY_WANTED_MB = 10
USERS = 1_000
BATCH = 1_000
BACKLOG = 4_000  # of each round
LARGE = int(os.environ.get("BENCH_BACKLOG", "100000"))
ARRIVING_PER_SECOND = 150
DATA = {
    "user_id": "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4",
    "entry_id": "ent_019aa3d1f0c67b2e4d8c91f35a60e7d4",
    "credits": 3,
    "balance": 97,
    "reference": "render 42",
}
WAITING = Statement(select(func.count()).select_from(deliveries).where(is_waiting(deliveries)), int)


def measure_deliveries(bench: Bench, database: str) -> Iterator[Row]:
    """Everything wanted on one kind of database."""
    logs.configure("json")  # as in production: a line for each delivery
    with (
        databases(database, bench.folder) as urls,
        bare_route() as sink,
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),
    ):
        rows = asyncio.run(_measure(database, next(urls), sink))
    yield from rows


async def _measure(database: str, url: str, sink: Server) -> list[Row]:
    await migrate(url)
    async with tollhouse_at(url, sink) as run:
        rates, bare = list[float](), list[float]()
        for _ in range(ROUNDS):
            bare.append(await bare_loop(sink, BACKLOG))
            await emit(run, BACKLOG)
            rates.append(await drain(run))
        share = median(rate / alone for rate, alone in zip(rates, bare, strict=True))
        target, reached = at_least(share, WANTED)
        rows = [
            Row("", f"bare loop of httpx, {PACE.concurrency} at once", median(bare), "/s"),
            Row(database, "deliveries", median(rates), "/s", of_bare=share).judged(
                target.replace("bare", "the loop"), reached
            ),
        ]
        return [*rows, *await measure_backlog(database, run)]


async def measure_backlog(database: str, run: Runtime) -> list[Row]:
    """A large backlog, drained while new ones arrive; and what memory that takes."""
    await emit(run, LARGE)
    before_mb, counted = resident_mb(), [0]
    arriving = asyncio.create_task(arrive(run, counted))
    rate = await drain(run, counted, left=ARRIVING_PER_SECOND)  # so many may be under way
    arriving.cancel()
    await asyncio.gather(arriving, return_exceptions=True)
    times = rate / ARRIVING_PER_SECOND
    grown = resident_mb() - before_mb
    return [
        Row(database, f"backlog of {LARGE:,}, {ARRIVING_PER_SECOND}/s arriving", rate, "/s").judged(
            f"≥ {DRAINS_WANTED:g} × arrival ({times:.1f})", times >= DRAINS_WANTED
        ),
        Row(database, "memory grown meanwhile", grown, "MB").judged(
            f"≤ {MEMORY_WANTED_MB} MB", grown <= MEMORY_WANTED_MB
        ),
    ]


@asynccontextmanager
async def tollhouse_at(url: str, sink: Server) -> AsyncIterator[Runtime]:
    """An open database whose one endpoint is the sink, and a worker at work."""
    endpoint = {"name": "app", "url": f"http://127.0.0.1:{sink.port}/bare", "secret": create_secret()}
    async with Tollhouse(make_settings(database_url=url, endpoints=[endpoint], log_format="json")).opened() as run:
        await declared.declare(run)
        await run.outbox.refresh()
        worker = Worker(run.db, run.clock, run.outbox)
        lanes = EndpointLanes(run, worker)
        await lanes.learn()
        await worker.start()
        yield run
        await worker.stop()
        await lanes.close()


async def emit(run: Runtime, count: int) -> None:
    """Events of many users in turn, in large transactions; the worker learns of them when all are there."""
    numbers = itertools.count()

    async def work(tx: Transaction) -> None:
        for _ in range(BATCH):
            user_id = f"usr_{next(numbers) % USERS:032x}"
            await run.outbox.emit(tx, ("credits.spent", DATA | {"user_id": user_id}), user_id=user_id)

    for _ in range(count // BATCH):
        await run.db.transact(work)


async def drain(run: Runtime, arrived: Sequence[int] = (0,), *, left: int = 0) -> float:
    """Deliveries a second until no more than so many wait; what was done before this began is not counted."""
    waiting, already = await run.db.fetch_one(WAITING) or 0, arrived[0]
    began, now = time.perf_counter(), waiting
    run.outbox.wake()
    while now > left:
        await asyncio.sleep(0.02)
        now = await run.db.fetch_one(WAITING) or 0
    return (waiting + arrived[0] - already - now) / (time.perf_counter() - began)


async def arrive(run: Runtime, counted: list[int]) -> None:
    """New events at a steady pace, each in a transaction of its own."""
    began = time.perf_counter()
    for number in itertools.count(1):
        user_id = f"usr_{number % USERS:032x}"
        await run.db.transact(run.outbox.emit, ("credits.spent", DATA), user_id=user_id)
        run.outbox.wake()
        counted[0] = number
        await asyncio.sleep(max(0, began + number / ARRIVING_PER_SECOND - time.perf_counter()))


async def bare_loop(sink: Server, count: int) -> float:
    """Posts a second that httpx makes of the same body to the same sink, as many at once as a lane."""
    event = Event("out_019aa3d1f0c67b2e4d8c91f35a60e7d4", "credits.spent", None, 1, 1_767_268_800_000_000, DATA)
    body = body_of(event).encode()
    url = f"http://127.0.0.1:{sink.port}/bare"
    numbers = iter(range(count))

    async def post(client: httpx.AsyncClient) -> None:
        for _ in numbers:
            (await client.post(url, content=body, headers={"content-type": "application/json"})).raise_for_status()

    async with httpx.AsyncClient(trust_env=False) as client:
        began = time.perf_counter()
        await asyncio.gather(*(post(client) for _ in range(PACE.concurrency)))
        return count / (time.perf_counter() - began)


def resident_mb() -> float:
    """Resident memory of this process, in MB of 1024 kB."""
    return Server(0, os.getpid()).resident_mb()
