"""A refresh token works once and gives the next; one that comes back ends them all."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.access.oidc.relying_party import App, claims_of, patient, phone
from tests.identity.rows import rows_of
from tollhouse.access import refresh_tokens, tables
from tollhouse.runtime import Runtime
from tollhouse.signing.keyring import Keyring
from tollhouse.testing import SignedInClient, TestKit

OFFLINE = "openid email offline_access notes:read"


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


async def first_token(app: App, browser: Any) -> str:
    return (await app.tokens(browser, scope=OFFLINE if app.id == "web" else "openid offline_access"))["refresh_token"]


def is_refused(reply: Any) -> bool:
    return (reply.status_code, reply.json().get("error")) == (400, "invalid_grant")


async def test_each_token_gives_the_next(kit: TestKit, app: App, alice: SignedInClient) -> None:
    token = await first_token(app, alice)
    seen = {token}
    for _ in range(5):
        kit.clock.advance(3_600)
        reply = await app.refresh(token)
        assert reply.status_code == 200, reply.text
        tokens = reply.json()
        assert tokens["scope"] == OFFLINE
        identity = claims_of(tokens["id_token"])
        assert (identity["sub"], identity["email"]) == (alice.user_id, "alice@example.com")
        assert "nonce" not in identity
        assert (await app.userinfo(tokens["access_token"])).json()["email"] == "alice@example.com"
        token = tokens["refresh_token"]
        seen.add(token)
    assert len(seen) == 6
    [grant] = await rows_of(kit, tables.grants)
    assert grant["refresh_generation"] == 5


async def test_without_its_scope_there_is_none(app: App, alice: SignedInClient) -> None:
    assert "refresh_token" not in await app.tokens(alice)


@pytest.mark.parametrize("age", [1, 2, 4])
@pytest.mark.parametrize("make_app", [App, phone, patient])
async def test_one_that_comes_back_ends_them_all(kit: TestKit, alice: SignedInClient, make_app: Any, age: int) -> None:
    app = make_app(kit)
    tokens = [await first_token(app, alice)]
    access = ""
    for _ in range(age):
        reply = (await app.refresh(tokens[-1])).json()
        tokens.append(reply["refresh_token"])
        access = reply["access_token"]
    kit.clock.advance(21)
    assert is_refused(await app.refresh(tokens[0]))
    assert is_refused(await app.refresh(tokens[-1]))
    assert (await app.userinfo(access)).status_code == 401
    assert await rows_of(kit, tables.grants) == []
    assert (await alice.get("/auth/session")).status_code == 200


async def test_of_ten_at_once_without_grace_at_most_one_is_served_and_all_end(
    kit: TestKit, app: App, alice: SignedInClient
) -> None:
    token = await first_token(app, alice)
    replies = await asyncio.gather(*(app.refresh(token) for _ in range(10)))
    served = [reply for reply in replies if reply.status_code == 200]
    assert len(served) == 1
    assert is_refused(await app.refresh(served[0].json()["refresh_token"]))


async def test_of_ten_at_once_with_grace_all_get_the_same(kit: TestKit, alice: SignedInClient) -> None:
    app = patient(kit)
    token = await first_token(app, alice)
    replies = await asyncio.gather(*(app.refresh(token) for _ in range(10)))
    assert [reply.status_code for reply in replies] == [200] * 10
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1
    assert (await app.refresh(replies[0].json()["refresh_token"])).status_code == 200


async def test_a_lost_reply_is_given_again_within_the_grace_and_while_unused(
    kit: TestKit, alice: SignedInClient
) -> None:
    app = patient(kit)
    token = await first_token(app, alice)
    following = (await app.refresh(token)).json()["refresh_token"]
    kit.clock.advance(19)
    assert (await app.refresh(token)).json()["refresh_token"] == following
    newest = (await app.refresh(following)).json()["refresh_token"]
    assert is_refused(await app.refresh(token)), "the one that followed is used"
    assert is_refused(await app.refresh(newest))


async def test_a_repeat_does_not_prolong_the_grace(kit: TestKit, alice: SignedInClient) -> None:
    app = patient(kit)
    token = await first_token(app, alice)
    await app.refresh(token)
    for wait, served in ((15, True), (4, True), (2, False)):
        kit.clock.advance(wait)
        assert is_refused(await app.refresh(token)) is not served


async def test_another_client_s_token_does_not_work_and_goes_on(kit: TestKit, app: App, alice: SignedInClient) -> None:
    token = await first_token(app, alice)
    for other in (phone(kit), patient(kit)):
        assert is_refused(await other.refresh(token))
    assert (await app.refresh(token)).status_code == 200


async def test_what_we_did_not_make_ends_nothing(kit: TestKit, app: App, alice: SignedInClient) -> None:
    token = await first_token(app, alice)
    raw = bytearray(base64.urlsafe_b64decode(token))
    for place in (0, 15, 19, 20, 51, 52, 83):
        changed = bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]])
        assert is_refused(await app.refresh(base64.urlsafe_b64encode(changed).decode())), place
    for made_up in ("x", token[:-1], token + "A", token + "=", "A" * 112, f" {token}"):
        assert is_refused(await app.refresh(made_up))
    assert (await app.refresh(token)).status_code == 200


async def test_less_may_be_asked_for_and_never_more(kit: TestKit, app: App, alice: SignedInClient) -> None:
    token = (await app.tokens(alice, scope="openid email offline_access"))["refresh_token"]
    more = await app.refresh(token, scope="openid notes:read")
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    less = (await app.refresh(token, scope="openid")).json()
    assert less["scope"] == claims_of(less["access_token"])["scope"] == "openid"
    assert claims_of(less["access_token"])["email"] is None
    assert (await app.refresh(less["refresh_token"])).json()["scope"] == "openid email offline_access"


@pytest.mark.parametrize("end", ["sign out", "everywhere", "block", "session's end"])
async def test_it_ends_with_the_session(kit: TestKit, app: App, alice: SignedInClient, end: str) -> None:
    from tollhouse.identity import users

    tokens = await app.tokens(alice, scope=OFFLINE)
    assert (await app.userinfo(tokens["access_token"])).status_code == 200
    if end == "sign out":
        await alice.post("/auth/sign-out")
    elif end == "everywhere":
        other = await kit.sign_in("alice@example.com")
        await other.delete("/auth/sessions")
    elif end == "block":
        await users.block(kit.toll.run, alice.user_id)
    else:
        kit.clock.advance(kit.toll.settings.session_lifetime_seconds)
    kit.clock.advance(5)
    assert is_refused(await app.refresh(tokens["refresh_token"]))
    assert (await app.userinfo(tokens["access_token"])).status_code == 401


async def test_refreshing_keeps_the_session_in_use_but_not_beyond_its_end(kit: TestKit, app: App, alice: Any) -> None:
    token = await first_token(app, alice)
    for day in range(0, 180, 20):
        reply = await app.refresh(token)
        assert reply.status_code == 200, day
        token = reply.json()["refresh_token"]
        kit.clock.advance(20 * 86_400)
    assert is_refused(await app.refresh(token))


async def test_the_address_waits_sealed_for_the_newest_token(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice, scope=OFFLINE)
    for step in (code, await first_token(app, alice)):
        for grant in await rows_of(kit, tables.grants):
            assert b"alice" not in grant["email"]
            assert step not in repr(grant)
    await app.tokens(alice)
    [without] = [grant for grant in await rows_of(kit, tables.grants) if grant["scope"] == "openid email"]
    assert without["email"] is None, "nobody will come with anything that could open it"


class Keys:
    """A runtime with nothing but keys."""

    keys = Keyring(pepper=b"p" * 32, data=b"d" * 32)


KEYS: Runtime = Keys()  # type: ignore[assignment]


@given(
    st.one_of(
        st.text(max_size=200), st.binary(min_size=84, max_size=84).map(lambda b: base64.urlsafe_b64encode(b).decode())
    )
)
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    assert refresh_tokens.parse(KEYS, text) is None


@given(st.integers(1, 30))
def test_the_next_one_takes_the_one_before(count: int) -> None:
    token = refresh_tokens.first_of(KEYS, "gra_" + "0a" * 16)
    for _ in range(count):
        assert refresh_tokens.parse(KEYS, token.text) == token
        following = refresh_tokens.next_of(KEYS, token)
        assert following == refresh_tokens.next_of(KEYS, token)
        assert following.open(following.seal("alice@example.com")) == "alice@example.com"
        token = following
    assert token.generation == count
