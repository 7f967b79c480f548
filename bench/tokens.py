"""Tokens over HTTP: made, published, and asked for by routes, each beside the same route that asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

from bench import requests
from bench.load import Load, send
from bench.report import Row
from bench.servers import Server, databases, host, mail_sink
from bench.signing_in import Bench, SignedIn

PEOPLE = 64
WANTED = {"POST /auth/token": 0.12, "JWKS": 0.60, "plain route": 0.50}
CLOSED_WANTED = 0.70  # of the same FastAPI route without a token


def measure_tokens(bench: Bench, database: str) -> Iterator[Row]:
    """Everything wanted on one kind of database."""
    with databases(database, bench.folder) as urls, ExitStack() as stack:
        smtp_url, mails = stack.enter_context(mail_sink(bench.folder))
        server = stack.enter_context(host(next(urls), smtp_url))
        signed_in = SignedIn(bench, database, server, mails, None)
        redeemed = send(
            Load(server.port, requests.redemptions(mail.token for mail in signed_in.prepare(PEOPLE)), keep_replies=True)
        )
        secrets = requests.session_secrets(redeemed.replies)
        yield from over_http(bench, database, server, secrets)


def over_http(bench: Bench, database: str, server: Server, secrets: list[str]) -> Iterator[Row]:
    """Rows for making tokens, publishing keys, and routes that take tokens."""
    made = [requests.http("POST", "/auth/token", ip=requests.ip_of(1), cookie=secret) for secret in secrets]
    replies = send(Load(server.port, made, keep_replies=True)).replies
    tokens = [json.loads(reply.partition(b"\r\n\r\n")[2])["access_token"] for reply in replies]
    loads = {
        "POST /auth/token": made,
        "JWKS": [requests.http("GET", "/.well-known/jwks.json", ip=requests.ip_of(1))],
        "plain route": [called("/auth/whoami", token) for token in tokens],
    }
    for name, load in loads.items():
        found = bench.compare(server, lambda load=load: Load(server.port, load, seconds=bench.seconds))
        yield found.row(database, name, wanted=WANTED[name])
    rates = dict[str, float]()
    for path in ("/open", "/closed"):
        load = [called(path, token) for token in tokens]
        found = bench.compare(server, lambda load=load: Load(server.port, load, seconds=bench.seconds))
        row = found.row(database, f"FastAPI route {path}")
        rates[path] = row.value
        yield row
    share = rates["/closed"] / rates["/open"]
    yield Row(database, "FastAPI route: closed as a share of open", share, "").judged(
        f"≥ {CLOSED_WANTED:.0%}", share >= CLOSED_WANTED
    )


def called(path: str, token: str) -> bytes:
    """A call with a bearer token."""
    return requests.http("GET", path, ip=requests.ip_of(1), bearer=token)
