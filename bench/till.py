"""The till, measured on one database: Stripe's events with their whole effect, repeated ones, and spending credits."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from bench import requests
from bench.commits import postgres_commits, sqlite_commits
from bench.load import Load
from bench.payments import STRIPE, Events, add_purchases, add_rich_people, user_id
from bench.report import Row, at_most
from bench.servers import Server, databases, silent_mail_server, tollhouse
from bench.signing_in import ROUNDS, Bench, Compared

WANTED = {
    "sqlite": {"webhook": 0.15, "duplicate": 0.40, "spend": 0.20},
    "postgres": {"webhook": 0.08, "duplicate": 0.25, "spend": 0.10},
}
HOT_WANTED = 0.10  # of what one client commits alone
WEBHOOK_P99_MS_MAX = 50
EVENTS_PER_SECOND_MAX = 5_000
PEOPLE = 500

numbers = itertools.count(1_000_000)
keys = itertools.count(1)


def measure_till(bench: Bench, database: str) -> Iterator[Row]:
    """Everything wanted on one kind of database."""
    events = Events()
    bench = Bench(bench.bare, bench.folder, bench.seconds, requests.bare_post(events.body(1)))
    bench.measure_bare()
    with databases(database, bench.folder) as urls, ExitStack() as stack:
        url, smtp_url = next(urls), stack.enter_context(silent_mail_server())
        server = stack.enter_context(tollhouse(url, smtp_url, bench.folder, STRIPE))
        secret = asyncio.run(add_rich_people(url, PEOPLE))
        yield from measure_events(bench, database, server, events, url)
        spread = (user_id(each) for each in itertools.cycle(range(PEOPLE)))
        yield measure_spends(bench, database, server, spread, secret).row(
            database, "spend, 500 accounts", wanted=WANTED[database]["spend"]
        )
        hot = measure_spends(bench, database, server, itertools.repeat(user_id(0)), secret)
        alone = (
            median(sqlite_commits(bench.folder, seconds=bench.seconds, group=1) for _ in range(ROUNDS))
            if database == "sqlite"
            else median(postgres_commits(next(urls), seconds=bench.seconds, at_once=1) for _ in range(ROUNDS))
        )
        share = median(hot.rates) / alone
        target = (f"≥ {HOT_WANTED:.0%} of one client's commits ({share:.0%})", share >= HOT_WANTED)
        yield hot.row(database, "spend, one account").judged(*target)
    yield Row("", "bare POST route", median(bench.bare_rates), "/s", median(bench.bare_cpu_us), 1.0)


def measure_events(bench: Bench, database: str, server: Server, events: Events, url: str) -> Iterator[Row]:
    """Events that are new, each of its own purchase, and one that came before."""
    count = round(EVENTS_PER_SECOND_MAX * bench.seconds)
    last = 0

    def new_ones() -> Load:
        nonlocal last
        taken = [next(numbers) for _ in range(count)]
        asyncio.run(add_purchases(url, taken[0], count))
        last = taken[0]
        posts = [requests.posted("/stripe/webhook", *events.posted(each)) for each in taken]
        return Load(server.port, posts, seconds=bench.seconds)

    wanted = WANTED[database]
    found = bench.compare(server, new_ones)
    yield found.row(database, "webhook with its whole effect", wanted=wanted["webhook"])
    p99 = median(result.percentile(0.99) for result in found.results) * 1e3
    target, reached = at_most(p99, WEBHOOK_P99_MS_MAX, "ms")
    yield Row(database, "webhook p99", p99, "ms", target=target, reached=reached)

    def again() -> Load:
        return Load(server.port, [requests.posted("/stripe/webhook", *events.posted(last))], seconds=bench.seconds)

    yield bench.compare(server, again).row(database, "duplicate event", wanted=wanted["duplicate"])


def measure_spends(bench: Bench, database: str, server: Server, people: Iterator[str], secret: str) -> Compared:
    """One credit each, with an idempotency key of its own."""
    count = round(EVENTS_PER_SECOND_MAX * bench.seconds)

    def spends() -> Load:
        body = json.dumps({"credits": 1}).encode()
        posts = [
            requests.posted(
                f"/api/users/{next(people)}/credits/spends",
                body,
                {"Authorization": f"Bearer {secret}", "Idempotency-Key": f"bench-{next(keys)}"},
            )
            for _ in range(count)
        ]
        return Load(server.port, posts, seconds=bench.seconds)

    return bench.compare(server, spends)
