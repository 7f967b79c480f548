"""A resource server alone: keys come over the network from an issuer that is really there, or is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.access.forging import ES, RS, Signer, claims, document_of
from tests.support.hostile_issuer import HostileIssuer, serve
from tollhouse.access.errors import IssuerUnavailable, TokenInvalid
from tollhouse.access.issuers import Issuer, supabase
from tollhouse.access.jwks import COOL_DOWN_SECONDS, JwksClient
from tollhouse.access.verifier import Trusted, Verifier


@pytest.fixture
async def server() -> AsyncIterator[HostileIssuer]:
    async with HostileIssuer(serve(document_of(RS))) as running:
        yield running


def issuer_at(server: HostileIssuer) -> Issuer:
    return supabase(server.url("/auth/v1"))


def token_of(server: HostileIssuer, signer: Signer = RS, **changes: object) -> str:
    now = int(time.time())
    usual = {"iss": server.url("/auth/v1"), "aud": "authenticated", "iat": now, "exp": now + 60}
    return signer.sign(claims(**(usual | changes)))


async def test_keys_are_fetched_once_from_where_the_preset_says(server: HostileIssuer) -> None:
    verifier = Verifier([issuer_at(server)])
    callers = await asyncio.gather(*(verifier.verify(token_of(server, sub=f"user-{n}")) for n in range(50)))
    assert len({caller.user_id for caller in callers}) == 50
    assert server.asked == 1
    assert server.heads[0].startswith("GET /auth/v1/.well-known/jwks.json ")
    await verifier.close()


async def test_strange_kids_do_not_make_us_ask_and_ask(server: HostileIssuer) -> None:
    verifier = Verifier([issuer_at(server)])
    await verifier.verify(token_of(server))
    for number in range(20):
        with pytest.raises(TokenInvalid):
            await verifier.verify(token_of(server, Signer("ES256", f"made-up-{number}", key=ES.key)))
    assert server.asked <= 2
    assert await verifier.verify(token_of(server, sub="bob"))
    await verifier.close()


async def test_what_is_refused_anyway_asks_nobody(server: HostileIssuer) -> None:
    verifier = Verifier([issuer_at(server)])
    refused = [
        token_of(server, iss="https://mallory.example"),
        token_of(server, Signer("RS512", "rs", key=RS.key)),
        RS.sign(claims(iss=server.url("/auth/v1")), typ="logout+jwt"),
        "a.b.c",
    ]
    for token in refused:
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)
    assert server.asked == 0
    await verifier.close()


async def test_without_keys_it_is_an_outage_and_nobody_is_let_in(server: HostileIssuer) -> None:
    verifier = Verifier([issuer_at(server)])
    token = token_of(server)
    await server.stop()
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(token)
    await verifier.close()


async def test_a_set_with_a_secret_in_it_is_an_outage_too(server: HostileIssuer) -> None:
    leaked = Signer("RS256", "rs", key=RS.key, members=RS.key.as_dict(private=True))
    server.behaviour = serve(document_of(leaked))
    verifier = Verifier([issuer_at(server)])
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(token_of(server))
    await verifier.close()


async def test_a_verifier_of_a_module_outlives_the_application_that_closes_it(server: HostileIssuer) -> None:
    verifier = Verifier([issuer_at(server)])
    for applications in (1, 2):
        assert await verifier.verify(token_of(server, sub=f"user-{applications}"))
        await verifier.close()
        assert server.asked == applications


async def test_a_token_by_a_new_key_is_no_bad_one_while_the_issuer_is_down(server: HostileIssuer) -> None:
    started = time.monotonic()
    later_seconds = 0.0
    issuer = issuer_at(server)
    keys = JwksClient(issuer, clock=lambda: started + later_seconds)
    verifier = Verifier.of([Trusted(issuer, keys)])
    await verifier.verify(token_of(server))
    later_seconds = COOL_DOWN_SECONDS
    await server.stop()
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(token_of(server, Signer("ES256", "new", key=ES.key)))
    assert await verifier.verify(token_of(server, sub="bob")), "by a key that is known"
    await verifier.close()


async def test_a_token_that_is_remembered_goes_with_the_key_that_signed_it(server: HostileIssuer) -> None:
    server.behaviour = serve(document_of(RS, ES))
    started = time.monotonic()
    later_seconds = 0.0
    issuer = issuer_at(server)
    keys = JwksClient(issuer, clock=lambda: started + later_seconds)
    verifier = Verifier.of([Trusted(issuer, keys)])
    token = token_of(server)
    await verifier.verify(token)
    server.behaviour = serve(document_of(ES))
    later_seconds = 3600.0
    assert await verifier.verify(token), "remembered for minutes, while nobody knows better"
    assert await verifier.verify(token_of(server, ES))
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)
    await verifier.close()
