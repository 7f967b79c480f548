"""Signing in, measured on one database: link requests, redemptions, session checks, and a steady hundred a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import requests
from bench.commits import AT_ONCE, postgres_commits, sqlite_commits
from bench.load import Load, Result, send, take
from bench.report import Row, at_least, at_most
from bench.servers import Server, databases, mail_sink, silent_mail_server, tollhouse
from bench.sink import Arrival, read_arrivals

SHARE_WANTED = {
    "sqlite": {"session": 0.40, "link": 0.15, "redeem": 0.15},
    "postgres": {"session": 0.25, "link": 0.06, "redeem": 0.06},
}
ROUNDS = 3
REDEMPTIONS_PER_SECOND = 600  # so many links are prepared for each second of a round
LINKS_PER_SECOND_MAX = 8_000
STEADY_PER_SECOND = 100
STEADY_SECONDS = 20
STEADY_P99_MS_MAX = 50
RESIDENT_MB_MAX = 120
SESSIONS = 500
MAIL_PATIENCE_SECONDS = 90


@dataclass(slots=True)
class Compared:
    """One kind of request over several rounds, each beside the bare route; medians are what counts."""

    rates: list[float] = field(default_factory=list[float])
    shares: list[float] = field(default_factory=list[float])
    cpu_us: list[float] = field(default_factory=list[float])
    cpu_shares: list[float] = field(default_factory=list[float])
    results: list[Result] = field(default_factory=list[Result])

    def row(self, database: str, name: str, *, wanted: float | None = None, commits: float | None = None) -> Row:
        """The medians as one row."""
        rate, share = median(self.rates), median(self.shares)
        target, reached = at_least(share, wanted) if wanted else ("", None)
        of_commits = rate / commits if commits else None
        by_cpu = median(self.cpu_shares)
        return Row(database, name, rate, "/s", median(self.cpu_us), share, by_cpu, of_commits, target, reached)


@dataclass(slots=True)
class Bench:
    """What all measurements of a run share."""

    bare: Server
    folder: Path
    seconds: float
    asked: bytes = field(default_factory=requests.bare_request)  # of the bare route
    bare_rates: list[float] = field(default_factory=list[float])
    bare_cpu_us: list[float] = field(default_factory=list[float])
    client_shares: list[float] = field(default_factory=list[float])
    client_cpu_us: list[float] = field(default_factory=list[float])

    def compare(self, server: Server, make_load: Callable[[], Load]) -> Compared:
        """Measure the bare route before and after each round, and the request between."""
        found = Compared()
        before = self.measure_bare()
        for _ in range(ROUNDS):
            load = make_load()
            cpu_before = server.cpu_seconds()
            result = send(load)
            cpu_us = (server.cpu_seconds() - cpu_before) / len(result.latencies) * 1e6
            bare_cpu_us = self.bare_cpu_us[-1]
            after = self.measure_bare()
            found.cpu_us.append(cpu_us)
            found.cpu_shares.append((bare_cpu_us + self.bare_cpu_us[-1]) / 2 / cpu_us)
            found.rates.append(result.per_second)
            found.shares.append(result.per_second / ((before + after) / 2))
            found.results.append(result)
            before = after
        return found

    def measure_bare(self) -> float:
        """The bare route's requests a second, now."""
        cpu_before = self.bare.cpu_seconds()
        result = send(Load(self.bare.port, [self.asked], seconds=max(1.0, self.seconds / 2)))
        self.bare_cpu_us.append((self.bare.cpu_seconds() - cpu_before) / len(result.latencies) * 1e6)
        self.bare_rates.append(result.per_second)
        self.client_shares.append(result.cpu_seconds / result.seconds)
        self.client_cpu_us.append(result.cpu_seconds / len(result.latencies) * 1e6)
        return result.per_second


def measure(bench: Bench, database: str, names: Collection[str]) -> Iterator[Row]:
    """Everything wanted on one kind of database."""
    with databases(database, bench.folder) as urls:
        commits = None
        if "commits" in names:
            for row in measure_commits(bench, database, urls):
                yield row
                commits = row.value
        if "link" in names:
            yield from measure_links(bench, database, next(urls), commits)
        if {"mail", "redeem", "session", "steady"} & set(names):
            with ExitStack() as stack:
                smtp_url, mails = stack.enter_context(mail_sink(bench.folder))
                server = stack.enter_context(tollhouse(next(urls), smtp_url, bench.folder))
                yield from SignedIn(bench, database, server, mails, commits).measure(names)


def measure_commits(bench: Bench, database: str, urls: Iterator[str]) -> Iterator[Row]:
    """The raw driver's transactions a second; the last row is what requests are compared with."""
    if database == "postgres":
        rate = median(postgres_commits(next(urls), seconds=bench.seconds) for _ in range(ROUNDS))
        yield Row(database, f"commits by the driver, {AT_ONCE} at once", rate, "/s")
        return
    for group in (1, AT_ONCE):
        found = [sqlite_commits(bench.folder, seconds=bench.seconds, group=group) for _ in range(ROUNDS)]
        how = "one by one" if group == 1 else f"{group} to a COMMIT"
        yield Row(database, f"commits by the driver, {how}", median(found), "/s")


def measure_links(bench: Bench, database: str, url: str, commits: float | None) -> Iterator[Row]:
    """Link requests alone: their mails are queued durably, and wait."""
    source = requests.link_requests()
    with silent_mail_server() as smtp_url, tollhouse(url, smtp_url, bench.folder) as server:
        count = round(LINKS_PER_SECOND_MAX * bench.seconds)
        found = bench.compare(server, lambda: Load(server.port, take(source, count), seconds=bench.seconds))
        yield found.row(database, "link request", wanted=SHARE_WANTED[database]["link"], commits=commits)


@dataclass(slots=True)
class SignedIn:
    """What follows from mails that were delivered, on one server."""

    bench: Bench
    database: str
    server: Server
    mails: Path
    commits: float | None
    source: Iterator[bytes] = field(default_factory=requests.link_requests)
    redeemed: int = 0
    secrets: list[str] = field(default_factory=list[str])

    def measure(self, names: Collection[str]) -> Iterator[Row]:
        """Everything wanted, in an order in which each leaves what the next one needs."""
        if "mail" in names:
            yield from self.links_with_mail()
        if {"redeem", "session"} & set(names):
            yield from (row for row in self.redeem() if "redeem" in names)
        if "session" in names:
            yield self.check_sessions()
        if "steady" in names:
            yield from self.steady()
        resident = self.server.resident_mb()
        target, reached = at_most(resident, RESIDENT_MB_MAX, "MB")
        yield Row(self.database, "resident memory after that", resident, "MB", target=target, reached=reached)

    def links_with_mail(self) -> Iterator[Row]:
        """Link requests while their mails go out, and how fast the mails do."""
        count = round(LINKS_PER_SECOND_MAX * self.bench.seconds)
        began = time.monotonic()
        cpu_before = self.server.cpu_seconds()
        result = send(Load(self.server.port, take(self.source, count), seconds=self.bench.seconds))
        arrivals = self.wait_for_mails(len(result.latencies))
        cpu_us = (self.server.cpu_seconds() - cpu_before) / len(arrivals) * 1e6
        yield Row(self.database, "link request, mails going out", result.per_second, "/s")
        rate = len(arrivals) / (max(mail.at for mail in arrivals) - began)
        yield Row(self.database, "link request and its mail delivered", rate, "/s", cpu_us)

    def wait_for_mails(self, count: int) -> list[Arrival]:
        """All mails so far, once there are so many."""
        deadline = time.monotonic() + MAIL_PATIENCE_SECONDS
        while len(arrivals := read_arrivals(self.mails)) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(arrivals)} of {count} mails came in {MAIL_PATIENCE_SECONDS} s")
            time.sleep(0.1)
        return arrivals

    def redeem(self) -> Iterator[Row]:
        """Redemptions, each of a link of its own by somebody new."""
        count = round(REDEMPTIONS_PER_SECOND * self.bench.seconds)
        tokens = iter([mail.token for mail in self.prepare(count * ROUNDS)])

        def make_load() -> Load:
            once = requests.redemptions(token for token, _ in zip(tokens, range(count), strict=False))
            return Load(self.server.port, once, keep_replies=True)

        found = self.bench.compare(self.server, make_load)
        replies = (reply for result in found.results for reply in result.replies)
        self.secrets = requests.session_secrets(replies)[:SESSIONS]
        yield found.row(self.database, "redeem", wanted=SHARE_WANTED[self.database]["redeem"], commits=self.commits)

    def prepare(self, count: int) -> list[Arrival]:
        """So many mails with links that nobody has used yet."""
        missing = count - len(read_arrivals(self.mails))
        if missing > 0:
            send(Load(self.server.port, take(self.source, missing)))
        return self.wait_for_mails(count)[:count]

    def check_sessions(self) -> Row:
        """Session checks over many sessions."""
        checks = requests.session_checks(self.secrets)
        found = self.bench.compare(self.server, lambda: Load(self.server.port, checks, seconds=self.bench.seconds))
        return found.row(self.database, "session check", wanted=SHARE_WANTED[self.database]["session"])

    def steady(self) -> Iterator[Row]:
        """A hundred link requests a second with their mails, in an open loop."""
        count = STEADY_PER_SECOND * STEADY_SECONDS
        first = next(requests.numbers)
        wanted = [requests.address_of(first + 1 + each) for each in range(count)]
        before = len(read_arrivals(self.mails))
        cpu_before = self.server.cpu_seconds()
        result = send(Load(self.server.port, take(self.source, count), per_second=STEADY_PER_SECOND))
        arrivals = {mail.to: mail.at for mail in self.wait_for_mails(before + count)}
        cpu_us = (self.server.cpu_seconds() - cpu_before) / count * 1e6
        mail_seconds = sorted(
            arrivals[address] - due for address, due in zip(wanted, sorted(result.started), strict=True)
        )
        yield Row(self.database, "100 links/s with mails: request p50", result.percentile(0.5) * 1e3, "ms", cpu_us)
        p99 = result.percentile(0.99) * 1e3
        target, reached = at_most(p99, STEADY_P99_MS_MAX, "ms")
        yield Row(self.database, "100 links/s with mails: request p99", p99, "ms", target=target, reached=reached)
        for share in (0.5, 0.99):
            value = mail_seconds[int(share * (count - 1))] * 1e3
            yield Row(self.database, f"100 links/s with mails: mail p{share * 100:.0f}", value, "ms")
