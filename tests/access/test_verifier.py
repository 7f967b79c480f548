"""From the header to the caller: remembered, asked again, forgotten, counted, and answered over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from tests.access.forging import ES, ISSUER, NOW, RS, Signer, StillClock, claims, finish, keys_of, verifier_of
from tollhouse.access import memory
from tollhouse.access.callers import Caller
from tollhouse.access.errors import IssuerUnavailable, TokenExpired, TokenInvalid, TokenRevoked
from tollhouse.access.keysets import VerificationKey
from tollhouse.access.verifier import Trusted, Verifier
from tollhouse.clock import MINUTE, SECOND
from tollhouse.errors import DatabaseUnavailable
from tollhouse.telemetry import metrics

OWN = replace(ISSUER, name="tollhouse", is_own=True, leeway_seconds=0)


class Sessions:
    """Answers whether a session goes on, and counts how often it was asked."""

    def __init__(self) -> None:
        self.ended: set[str | None] = set()
        self.asked = 0
        self.down = False

    async def go_on(self, caller: Caller) -> bool:
        self.asked += 1
        if self.down:
            raise DatabaseUnavailable
        return caller.session_id not in self.ended


class Keys:
    """Keys that are not in memory at first, as a client of a JWKS has them."""

    def __init__(self, *signers: Signer) -> None:
        self.inner = keys_of(*signers)
        self.found: list[str | None] = []
        self.down = self.closed = False
        self.on_removed: tuple[Callable[[], None], ...] = ()

    def peek(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        return self.inner.peek(kid, algorithm) if self.found else None

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        await asyncio.sleep(0)
        if self.down:
            raise IssuerUnavailable
        self.found.append(kid)
        return await self.inner.find(kid, algorithm)

    async def close(self) -> None:
        self.closed = True


def own_verifier(sessions: Sessions, clock: StillClock) -> Verifier:
    return Verifier.of([Trusted(OWN, keys_of(ES), sessions.go_on)], clock=clock)


def own_token(**changes: Any) -> str:
    return ES.sign(claims(sub="usr_1", sid="ses_1") | changes, typ="at+jwt")


async def test_a_token_is_remembered_until_it_ends_and_not_a_moment_longer() -> None:
    clock = StillClock()
    verifier = verifier_of(RS, clock=clock)
    token = RS.sign(claims(exp=NOW + 100))
    assert verifier.remembered(token) is None
    caller = await verifier.verify(token)
    assert verifier.remembered(token) is caller
    assert await verifier.verify(token) is caller
    clock.us = (NOW + 130) * SECOND - 1
    assert verifier.remembered(token) is caller
    clock.us += 1
    assert verifier.remembered(token) is None
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


async def test_only_the_very_same_token_is_remembered() -> None:
    verifier = verifier_of(RS)
    token = RS.sign(claims())
    await verifier.verify(token)
    for other in (token[:-1], token + "A", token + "\n", token.swapcase(), token + "\ud800", "", token * 100):
        assert verifier.remembered(other) is None
        with pytest.raises(TokenInvalid):
            await verifier.verify(other)


async def test_a_refused_token_is_not_remembered() -> None:
    verifier = verifier_of(RS)
    for token in (RS.sign(claims(aud="https://other.example")), RS.sign(claims(exp=NOW - 100)), ES.sign(claims())):
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)
    assert len(verifier._memory) == 0


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    remembered = memory.Memory(entries_max=3)
    entry = memory.Entry(Caller("usr_1", None, "i", None, frozenset()), "acme", 1, 1, None)
    for name in (b"a", b"b", b"a", b"c", b"d"):
        remembered.keep(name, entry, generation=0)
    assert [remembered.get(name) is not None for name in (b"a", b"b", b"c", b"d")] == [False, True, True, True]
    remembered.forget_all()
    remembered.keep(b"e", entry, generation=0)
    assert len(remembered) == 0, "it was verified before all were forgotten"


async def test_another_issuers_token_is_verified_again_after_five_minutes() -> None:
    clock, keys = StillClock(), Keys(RS)
    verifier = Verifier.of([Trusted(ISSUER, keys)], clock=clock)
    token = RS.sign(claims(exp=NOW + 86400))
    assert await verifier.verify(token)
    keys.inner = keys_of(ES)  # the issuer has taken its key back
    clock.us += 5 * MINUTE - 1
    assert await verifier.verify(token)
    clock.us += 1
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)


async def test_our_own_token_dies_with_its_session_within_two_seconds() -> None:
    sessions, clock = Sessions(), StillClock()
    verifier, token = own_verifier(sessions, clock), own_token()
    assert (await verifier.verify(token)).user_id == "usr_1"
    clock.us += 2 * SECOND - 1
    assert await verifier.verify(token)
    assert sessions.asked == 1
    clock.us += 1
    assert await verifier.verify(token)
    assert sessions.asked == 2
    sessions.ended.add("ses_1")
    assert await verifier.verify(token), "just asked"
    clock.us += 2 * SECOND
    for _ in range(2):
        with pytest.raises(TokenRevoked):
            await verifier.verify(token)
    assert len(verifier._memory) == 0
    assert sessions.asked == 4


async def test_a_token_of_an_ended_session_is_refused_when_first_seen() -> None:
    sessions = Sessions()
    sessions.ended.add("ses_1")
    with pytest.raises(TokenRevoked):
        await own_verifier(sessions, StillClock()).verify(own_token())


async def test_our_own_token_ends_without_leeway_even_while_remembered() -> None:
    clock = StillClock()
    verifier, token = own_verifier(Sessions(), clock), own_token(exp=NOW + 1)
    assert await verifier.verify(token)
    clock.us += SECOND - 1
    assert await verifier.verify(token)
    clock.us += 1
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


async def test_without_the_database_nobody_is_let_in_on_trust() -> None:
    sessions, clock = Sessions(), StillClock()
    verifier, token = own_verifier(sessions, clock), own_token()
    await verifier.verify(token)
    sessions.down = True
    clock.us += 2 * SECOND
    with pytest.raises(DatabaseUnavailable):
        await verifier.verify(token)
    sessions.down = False
    assert await verifier.verify(token), "and then again"


async def test_forgetting_all_counts_for_what_is_under_way() -> None:
    gate = asyncio.Event()

    async def slowly(_: Caller) -> bool:
        await gate.wait()
        return True

    verifier = Verifier.of([Trusted(OWN, keys_of(ES), slowly)], clock=StillClock())
    token = own_token()
    under_way = asyncio.create_task(verifier.verify(token))
    await asyncio.sleep(0)
    verifier.forget_all()
    gate.set()
    await under_way
    assert verifier.remembered(token) is None


async def test_keys_are_found_once_and_their_absence_is_an_outage() -> None:
    keys = Keys(RS)
    verifier = Verifier.of([Trusted(ISSUER, keys)], clock=StillClock())
    keys.down = True
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(RS.sign(claims()))
    keys.down = False
    for subject in ("alice", "bob"):
        assert await verifier.verify(RS.sign(claims(sub=subject)))
    assert keys.found == ["rs"]
    with pytest.raises(TokenInvalid):
        await verifier.verify(RS.sign(claims(), kid="../../../dev/null"))
    await verifier.close()
    assert keys.closed


async def test_every_issuer_is_held_to_its_own_keys_and_conditions() -> None:
    other = replace(
        ISSUER, name="other", issuer="https://other.example.com", audiences=("https://other-api.example.com",)
    )
    verifier = Verifier.of([Trusted(ISSUER, keys_of(RS)), Trusted(other, keys_of(ES))], clock=StillClock())
    theirs = claims(iss=other.issuer, aud=other.audiences[0])
    assert (await verifier.verify(ES.sign(theirs))).user_id == "https://other.example.com#alice"
    assert await verifier.verify(RS.sign(claims()))
    forged = [
        RS.sign(theirs),
        RS.sign(theirs, kid="es"),
        ES.sign(claims()),
        ES.sign(claims(), kid="rs"),
        ES.sign(claims(iss=other.issuer)),
    ]
    for token in forged:
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)


@pytest.mark.parametrize(
    "kid",
    [
        "../../etc/passwd",
        "' OR '1'='1",
        "/dev/null",
        "key-1; ls",
        "https://mallory.example/k",
        "rs\0",
        "\u202ers",
        "RS",
        "rs ",
    ],
)
def test_a_kid_is_a_name_and_nothing_else(kid: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        finish(verifier_of(RS, ES).verify(RS.sign(claims(), kid=kid)))
    assert caught.value.reason == "key_unknown"


def test_without_a_kid_a_token_is_taken_where_one_key_fits() -> None:
    token = Signer("RS256", None, key=RS.key).sign(claims())
    assert finish(verifier_of(RS, ES).verify(token))
    with pytest.raises(TokenInvalid):
        finish(verifier_of(RS, Signer("RS256", "rs-2")).verify(token))


def test_the_log_knows_why_and_neither_token_nor_claims() -> None:
    token = RS.sign(claims(aud="https://other.example", email="alice@example.com"))
    with capture_logs() as lines, pytest.raises(TokenInvalid) as caught:
        finish(verifier_of(RS).verify(token))
    assert lines == [
        {
            "event": "token_refused",
            "log_level": "info",
            "issuer": "acme",
            "code": "token_invalid",
            "reason": "aud_wrong",
        }
    ]
    assert "aud" not in str(caught.value)


def test_every_outcome_is_counted_by_the_issuers_configured_name() -> None:
    def counted(issuer: str, outcome: str) -> float:
        return metrics.registry.get_sample_value("tollhouse_tokens_total", {"issuer": issuer, "outcome": outcome}) or 0

    outcomes = [
        ("acme", "accepted"),
        ("acme", "remembered"),
        ("acme", "token_expired"),
        ("acme", "token_invalid"),
        ("unknown", "token_invalid"),
    ]
    before = [counted(*each) for each in outcomes]
    verifier, token = verifier_of(RS), RS.sign(claims())
    for _ in range(3):
        finish(verifier.verify(token))
    for refused in (
        RS.sign(claims(exp=NOW - 31)),
        RS.sign(claims(aud="x")),
        RS.sign(claims(iss="https://x.example")),
        "x",
    ):
        with pytest.raises(TokenInvalid):
            finish(verifier.verify(refused))
    assert [counted(*each) - was for each, was in zip(outcomes, before, strict=True)] == [1, 2, 1, 1, 2]


def make_api(verifier: Verifier) -> FastAPI:
    """A resource server of somebody who has FastAPI and nothing else of ours."""
    app = FastAPI()
    verifier.install(app)

    @app.post("/posted")
    async def posted(caller: Caller = Depends(verifier.caller)) -> str:
        return caller.user_id

    @app.get("/me")
    async def me(caller: Caller = Depends(verifier.caller)) -> dict[str, Any]:
        return {"user_id": caller.user_id}

    reader = verifier.scope("read:notes")

    @app.get("/notes")
    async def notes(caller: Caller = Depends(reader)) -> str:
        return caller.user_id

    return app


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    app = make_api(verifier_of(RS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_route_gets_its_caller(api: httpx.AsyncClient) -> None:
    reply = await api.get("/me", headers=bearer(RS.sign(claims())))
    assert (reply.status_code, reply.json()) == (200, {"user_id": "https://issuer.example.com#alice"})


async def test_without_a_token_the_reply_says_how(api: httpx.AsyncClient) -> None:
    token = RS.sign(claims())
    ways: list[dict[str, Any]] = [
        {},
        {"headers": {"authorization": "Basic YTpi"}},
        {"headers": {"cookie": f"tollhouse={token}; __session={token}; authorization={token}"}},
        {"params": {"access_token": token}},
        {"method": "POST", "url": "/posted", "data": {"access_token": token}},
    ]
    for way in ways:
        reply = await api.request(**{"method": "GET", "url": "/me", **way})
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["cache-control"] == "no-store"
        problem = reply.json()
        assert problem["code"] == "not_authenticated"
        assert problem["request_id"] == reply.headers["x-request-id"]


async def test_every_bad_token_looks_the_same_from_outside(api: httpx.AsyncClient) -> None:
    tokens = [
        "x",
        RS.sign(claims(aud="x")),
        RS.sign(claims(iss="x")),
        ES.sign(claims()),
        RS.sign(claims(), typ="logout+jwt"),
    ]
    replies = [await api.get("/me", headers=bearer(token) | {"x-request-id": "fixed-request-id"}) for token in tokens]
    assert {reply.status_code for reply in replies} == {401}
    assert {reply.headers["www-authenticate"] for reply in replies} == {'Bearer error="invalid_token"'}
    assert len({reply.content for reply in replies}) == 1
    assert replies[0].json()["code"] == "token_invalid"
    assert replies[0].headers.get_list("www-authenticate") == ['Bearer error="invalid_token"']


async def test_an_expired_token_says_so_if_it_was_a_good_one(api: httpx.AsyncClient) -> None:
    reply = await api.get("/me", headers=bearer(RS.sign(claims(exp=NOW - 60))))
    assert reply.json()["code"] == "token_expired"
    forged = ES.sign(claims(exp=NOW - 60), kid="rs", alg="RS256")
    assert (await api.get("/me", headers=bearer(forged))).json()["code"] == "token_invalid"


async def test_two_headers_are_refused(api: httpx.AsyncClient) -> None:
    token = RS.sign(claims())
    reply = await api.get("/me", headers=[("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")])
    assert (reply.status_code, reply.json()["code"]) == (401, "token_invalid")


async def test_a_scope_that_is_missing_is_named(api: httpx.AsyncClient) -> None:
    reply = await api.get("/notes", headers=bearer(RS.sign(claims(scope="read:notebooks"))))
    assert reply.status_code == 403
    assert reply.json()["code"] == "scope_missing"
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read:notes"'
    assert (await api.get("/notes", headers=bearer(RS.sign(claims(scope="read:notes"))))).status_code == 200
    assert (await api.get("/notes")).status_code == 401


async def test_an_issuer_that_is_down_is_said_to_be() -> None:
    keys = Keys(RS)
    keys.down = True
    app = make_api(Verifier.of([Trusted(ISSUER, keys)], clock=StillClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        reply = await client.get("/me", headers=bearer(RS.sign(claims())))
    assert (reply.status_code, reply.json()["code"]) == (503, "issuer_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert "www-authenticate" not in reply.headers


async def test_keys_are_let_go_of_when_the_application_stops() -> None:
    keys = Keys(RS)
    app = make_api(Verifier.of([Trusted(ISSUER, keys)]))
    async with app.router.lifespan_context(app):
        assert not keys.closed
    assert keys.closed


async def test_plain_starlette_will_do() -> None:
    verifier = verifier_of(RS)

    async def me(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await verifier.caller(request)).user_id)

    app = Starlette(routes=[Route("/me", me)])
    verifier.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.example.com") as client:
        assert (await client.get("/me", headers=bearer(RS.sign(claims())))).text == "https://issuer.example.com#alice"
        assert (await client.get("/me")).headers["www-authenticate"] == "Bearer"


def test_the_document_of_the_api_has_the_bearer_scheme() -> None:
    document = make_api(verifier_of(RS)).openapi()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/me"]["get"]["security"] == [{"bearer": []}]


async def test_without_a_clock_of_ours_this_machines_decides() -> None:
    verifier = Verifier.of([Trusted(ISSUER, keys_of(RS))])
    now = int(time.time())
    assert await verifier.verify(RS.sign(claims(iat=now, exp=now + 60)))
    with pytest.raises(TokenExpired):
        await verifier.verify(RS.sign(claims(iat=now - 90, exp=now - 60)))
