"""A session's front end gets a token; whoever holds it is that person, until the session ends."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import date
from typing import Any

import pytest
from fastapi import Security

from tests.access.conftest import bearer, make_app
from tollhouse import Caller
from tollhouse.access.access import own_issuer
from tollhouse.access.claims import caller_of
from tollhouse.access.signing_keys import SigningKeys
from tollhouse.errors import SettingsError
from tollhouse.testing import SignedInClient, TestKit, make_settings


async def token_of(client: SignedInClient) -> str:
    reply = await client.post("/auth/token")
    assert reply.status_code == 200, reply.text
    return reply.json()["access_token"]


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


async def test_a_session_gets_an_access_token_that_says_who(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.post("/auth/token")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json() | {"access_token": ""} == {"access_token": "", "token_type": "Bearer", "expires_in": 600}
    header, claims = parts_of(reply.json()["access_token"])
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": header["kid"]}
    now = kit.clock.now_us() // 1_000_000
    assert claims.pop("iat") in (now - 1, now)
    assert claims.pop("exp") in (now + 599, now + 600)
    assert len(claims.pop("jti")) == 32
    url = kit.toll.settings.url
    assert claims == {
        "iss": url,
        "sub": alice.user_id,
        "aud": url,
        "client_id": url,
        "sid": alice.session_id,
        "email": "alice@example.com",
    }


async def test_nobody_gets_a_token(kit: TestKit) -> None:
    reply = await kit.new_browser().post("/auth/token")
    assert (reply.status_code, reply.json()["code"]) == (401, "not_signed_in")


async def test_another_site_gets_no_token_with_somebody_s_cookie(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.post("/auth/token", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"})
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")


async def test_the_token_is_that_person_at_whoami_and_on_the_host_s_routes(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    program = kit.new_browser()
    headers = bearer(await token_of(alice))
    assert (await program.get("/auth/whoami", headers=headers)).json() == {
        "user_id": alice.user_id,
        "email": "alice@example.com",
        "issuer": kit.toll.settings.url,
        "session_id": alice.session_id,
    }
    for path in ("/notes", "/mine"):
        reply = (await program.get(path, headers=headers)).json()
        assert (reply["user_id"], reply["email"]) == (alice.user_id, "alice@example.com")


async def test_a_caller_without_a_token_is_told_to_bring_one_and_a_cookie_is_none(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    for client in (kit.new_browser(), alice):
        for path in ("/auth/whoami", "/notes"):
            reply = await client.get(path)
            assert (reply.status_code, reply.json()["code"]) == (401, "not_authenticated")
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30.", "th_sk_live_" + "A" * 43, "A" * 9000])
async def test_what_is_no_token_is_refused(kit: TestKit, token: str) -> None:
    for path in ("/auth/whoami", "/notes", "/mine"):
        reply = await kit.new_browser().get(path, headers=bearer(token))
        assert (reply.status_code, reply.json()["code"]) == (401, "token_invalid")
        assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert token not in reply.text


async def test_a_bad_token_beside_a_good_cookie_is_refused(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.get("/mine")).json()["session_id"] == alice.session_id
    assert (await alice.get("/mine", headers=bearer("a.b.c"))).status_code == 401


async def test_a_signed_in_person_is_a_user_by_cookie_but_not_from_another_site(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.post("/mine")).json() == alice.user_id
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    assert (await alice.post("/mine", headers=foreign)).status_code == 403
    nobody = await kit.new_browser().get("/mine")
    assert (nobody.json()["code"], nobody.headers["www-authenticate"]) == ("not_signed_in", "Bearer")


async def test_a_token_ends_at_the_second_that_it_says(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    token = await token_of(alice)
    left = parts_of(token)[1]["exp"] - kit.clock.now_us() / 1_000_000
    kit.clock.advance(left - 0.2)
    assert (await alice.get("/notes", headers=bearer(token))).status_code == 200
    kit.clock.advance(0.2)
    reply = await alice.get("/notes", headers=bearer(token))
    assert (reply.status_code, reply.json()["code"]) == (401, "token_expired")


async def test_a_remembered_token_ends_with_its_session_within_five_seconds(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    program, headers = kit.new_browser(), bearer(await token_of(alice))
    assert (await program.get("/notes", headers=headers)).status_code == 200
    await alice.post("/auth/sign-out")
    assert (await alice.post("/auth/token")).status_code == 401, "the cookie at once"
    kit.clock.advance(5)
    reply = await program.get("/notes", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, "token_revoked")


async def test_a_token_that_nobody_remembers_is_refused_as_soon_as_its_session_has_ended(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    token = await token_of(alice)
    await alice.post("/auth/sign-out")
    assert (await kit.new_browser().get("/notes", headers=bearer(token))).json()["code"] == "token_revoked"


@pytest.mark.slow
async def test_keys_rotated_in_the_middle_of_load_fail_nobody(migrated_database_url: str) -> None:
    """Tokens live an hour here, so that those made before the clock is turned are alive after."""
    app, toll = make_app(access_token_lifetime_seconds=3600)
    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as kit:
        alice = await kit.sign_in("alice@example.com")
        tokens, loading = [await token_of(alice)], True

        async def load() -> set[int]:
            seen = set[int]()
            while loading:
                tokens.append(await token_of(alice))
                seen.add((await alice.get("/notes", headers=bearer(tokens[-1]))).status_code)
                await asyncio.sleep(0)  # in process nothing else would have its turn
            return seen

        running = [asyncio.create_task(load()) for _ in range(4)]
        newest = (await toll.access.keys.rotate())[0]
        await asyncio.sleep(0.1)
        kit.clock.advance((newest.active_at - kit.clock.now_us()) / 1_000_000)
        await asyncio.sleep(0.2)
        loading = False
        assert [await each for each in running] == [{200}] * 4
        assert parts_of(tokens[-1])[0]["kid"] == newest.id != parts_of(tokens[0])[0]["kid"]


async def told_within_five_seconds(client: SignedInClient, headers: dict[str, str]) -> str | None:
    for _ in range(50):
        reply = await client.get("/notes", headers=headers)
        if reply.status_code != 200:
            return reply.json()["code"]
        await asyncio.sleep(0.1)
    return None


@pytest.mark.slow
async def test_a_compromised_key_s_tokens_are_refused_within_five_seconds(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    headers = bearer(await token_of(alice))
    assert (await alice.get("/notes", headers=headers)).status_code == 200
    await SigningKeys(kit.toll.run).rotate(compromised=True)  # as by the command, in another process
    assert await told_within_five_seconds(alice, headers) == "token_invalid"
    assert (await alice.get("/notes", headers=bearer(await token_of(alice)))).status_code == 200


async def test_the_key_set_may_be_kept_for_a_while_by_anybody(kit: TestKit) -> None:
    reply = await kit.new_browser().get("/.well-known/jwks.json")
    assert reply.headers["cache-control"] == "public, max-age=300"
    assert reply.headers["content-type"] == "application/json"
    assert len(reply.json()["keys"]) == 2


async def test_static_claims_and_audiences_are_those_of_the_settings(migrated_database_url: str) -> None:
    app, toll = make_app(
        access_token_claims={"role": "authenticated", "scope": "reports:read"},
        access_token_audiences=("authenticated", "https://api.example.com"),
    )
    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as kit:
        alice = await kit.sign_in("alice@example.com")
        token = await token_of(alice)
        claims = parts_of(token)[1]
        assert (claims["role"], claims["aud"]) == ("authenticated", ["authenticated", "https://api.example.com"])
        assert (await alice.get("/reports", headers=bearer(token))).json() == alice.user_id


async def test_a_caller_without_the_scope_is_told_which(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.get("/reports", headers=bearer(await token_of(alice)))
    assert (reply.status_code, reply.json()["code"]) == (403, "scope_missing")
    assert reply.json()["scope"] == "reports:read"
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="reports:read"'


async def test_a_server_calls_with_its_api_key_and_its_scopes(kit: TestKit) -> None:
    from tollhouse.access import api_keys

    run, program = kit.toll.run, kit.new_browser()
    key_id, secret = await api_keys.create(run, name="worker", scopes=["jobs:start"], lifetime_us=60_000_000)
    _, other = await api_keys.create(run, name="reader", scopes=["jobs:read"])
    assert (await program.post("/jobs", headers=bearer(secret))).json() == "worker"
    assert (await program.post("/jobs", headers=bearer(other))).json()["code"] == "scope_missing"
    wrong = secret.replace("live", "test") if "live" in secret else secret
    for bad in ("x", secret[:-1], "th_sk_live_" + "A" * 43, secret + "A"):
        assert (await program.post("/jobs", headers=bearer(bad))).json()["code"] == "api_key_invalid"
    assert wrong != secret
    assert (await program.post("/jobs")).json()["code"] == "not_authenticated"
    kit.clock.advance(60)
    assert (await program.post("/jobs", headers=bearer(secret))).json()["code"] == "api_key_invalid"
    assert not await api_keys.revoke(run, "key_unknown")
    assert await api_keys.revoke(run, key_id)


async def test_scopes_asked_for_as_fastapi_does_are_wanted_too(migrated_database_url: str) -> None:
    app, toll = make_app(access_token_claims={"scope": "reports:read"})
    admin = Security(toll.caller, scopes=["admin"])
    reads = Security(toll.user, scopes=["reports:read"])

    @app.get("/admin")
    async def _admin(caller: Caller = admin) -> str:
        return caller.user_id

    @app.get("/reading")
    async def _reading(caller: Caller = reads) -> str:
        return caller.user_id

    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as kit:
        alice = await kit.sign_in("alice@example.com")
        headers = bearer(await token_of(alice))
        assert (await alice.get("/admin", headers=headers)).json()["scope"] == "admin"
        for given in (headers, {}):  # by token, and by cookie
            assert (await alice.get("/reading", headers=given)).json() == alice.user_id


async def test_the_scopes_of_a_client_are_those_it_was_given_whatever_static_claims_say() -> None:
    """`scope` is replaced in a client's token, and no other claim of ours is read as one."""
    issuer = own_issuer(make_settings(access_token_claims={"scope": "reports:read"}))
    caller = caller_of({"sub": "usr_1", "scope": "openid", "scp": ["reports:read"]}, issuer)
    assert caller.scopes == {"openid"}
    with pytest.raises(SettingsError, match="`scp` is a claim"):
        make_settings(access_token_claims={"scp": ["reports:read"]})


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"since": date(2024, 1, 1)}, "date"),
        ({"n": float("nan")}, "cannot stand"),
        ({"half": "\ud800"}, "cannot stand"),
        ({"deep": json.loads("[" * 20 + "]" * 20)}, "nested"),
        ({"long": "x" * 3000}, "longer than"),
        ({"events": {}}, "`events` is a claim"),
    ],
)
def test_static_claims_that_no_token_could_carry_stop_the_start(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        make_settings(access_token_claims=claims)


async def test_the_document_offers_to_authorize(kit: TestKit) -> None:
    document = (await kit.new_browser().get("/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["type"] == "http"
    assert schemes["bearer"]["scheme"] == "bearer"
    for path, method in (("/auth/whoami", "get"), ("/notes", "get"), ("/mine", "get"), ("/reports", "get")):
        assert document["paths"][path][method]["security"] == [{"bearer": []}]
    assert document["paths"]["/jobs"]["post"]["security"] == [{"api_key": []}]
