"""A stolen database: nothing in the rows of clients and grants signs anybody in, or names anybody."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Table, select

from tests.access.oidc.relying_party import CALLBACK, CLIENTS, App, patient, phone
from tests.hostile.test_stolen_database import bytes_of, find_strings, spellings
from tests.support.databases import Backend
from tollhouse.access import clients as domain
from tollhouse.access import tables
from tollhouse.db import Statement
from tollhouse.signing.tokens import parse_token
from tollhouse.testing import TestKit

OFFLINE = "openid email offline_access"
PEOPLE = 6

pytestmark = pytest.mark.slow


async def use_it(kit: TestKit) -> tuple[list[str], list[str], str]:
    """People in every state; their addresses, all secrets that are out, and one refresh token that works."""
    added, secret = await domain.add(kit.toll.run, CLIENTS[0].model_copy(update={"secret": None}), public=False)
    assert secret is not None
    own = App(kit, added.id, secret)
    addresses, secrets, alive = [], [secret], ""
    for number in range(PEOPLE):
        address = f"person{number}.oneinamillion@example.com"
        addresses.append(address)
        person = await kit.sign_in(address)
        for app in (own, phone(kit), patient(kit)):
            secrets.append(await app.code(person, scope=OFFLINE))  # unused
            tokens = await app.tokens(person, scope=OFFLINE)
            token = tokens["refresh_token"]
            for _ in range(number % 3):
                secrets.append(token)
                token = (await app.refresh(token)).json()["refresh_token"]
            secrets += [token, tokens["access_token"], tokens["id_token"], app.verifier]
            alive = token
    return addresses, secrets, alive


async def values_of(kit: TestKit, table: Table) -> set[str]:
    """Every binary value of a table as the text that a request would carry it in."""
    found: set[str] = set()
    for column in table.c:
        if not isinstance(column.type, LargeBinary):
            continue
        for value in await kit.toll.run.db.fetch_all(Statement(select(column), lambda stored: stored)):
            if value:
                text = base64.urlsafe_b64encode(bytes(value)).rstrip(b"=").decode()
                found |= {text, text[:43], text[-43:], text[:112], bytes(value).hex()}
    return found


async def test_what_is_stored_of_grants_opens_nothing(
    kit: TestKit, backend: Backend, migrated_database_url: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server") if backend == "postgres" else None
    addresses, secrets, alive = await use_it(kit)
    dump = bytes_of(migrated_database_url, backend, server)
    assert b"gra_" in dump, "the thief has the right database"
    assert b"oneinamillion" not in dump.lower()
    for secret in [*addresses, *secrets]:
        for spelling in {secret.encode(), *(spellings(secret) if parse_token(secret) else ())}:
            assert spelling not in dump, secret
        raw = base64.urlsafe_b64decode(secret) if len(secret) == 112 else b""
        for part in (raw[20:52], raw[52:]):  # its own secret, and the MAC
            assert not part or (part not in dump and part.hex().encode() not in dump)
    await replay(kit, find_strings(dump) | await values_of(kit, tables.grants) | await values_of(kit, tables.clients))
    assert (await patient(kit).refresh(alive)).status_code == 200, "whoever has the true one goes on"


async def replay(kit: TestKit, strings: set[str]) -> None:
    """Try each as a code, as a refresh token, as a bearer and as the client's secret."""
    app = phone(kit)
    server = kit.new_browser()
    shaped = {text[:43] for text in strings if parse_token(text[:43])}
    assert len(shaped) > 50
    [client_id] = await kit.toll.run.db.fetch_all(Statement(select(tables.clients.c.id), str))
    for text in sorted(shaped):
        assert await error(server, app, grant_type="authorization_code", code=text) == "invalid_grant", text
    for text in sorted(strings)[:200] + sorted(text for text in strings if len(text) == 112):
        assert await error(server, app, grant_type="refresh_token", refresh_token=text) == "invalid_grant", text
        headers = {"authorization": f"Bearer {text}"}
        assert (await server.get("/oauth/userinfo", headers=headers)).status_code in (400, 401)
        given = {"client_id": client_id, "client_secret": text}
        assert await error(server, app, grant_type="refresh_token", **given) == "invalid_client", text


async def error(server: Any, app: App, **fields: str) -> str:
    form = {"client_id": app.id, "redirect_uri": CALLBACK, "code_verifier": app.verifier, **fields}
    return (await server.post("/oauth/token", data=form)).json()["error"]
