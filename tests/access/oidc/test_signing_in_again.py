"""Whether the session there is will do: `prompt`, `max_age`, `id_token_hint`, and never in circles."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.access.oidc.relying_party import (
    NAVIGATION,
    URL,
    App,
    answer_of,
    claims_of,
    header_of,
    next_of,
    sign_in_and_follow,
)
from tollhouse.clock import DAY, HOUR, SECOND
from tollhouse.testing import SignedInClient, TestKit


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, who signed in a while ago."""
    signed_in = await kit.sign_in("alice@example.com")
    kit.clock.advance(120)
    return signed_in


async def signs_in_again(kit: TestKit, app: App, browser: Any, email: str, **wanted: Any) -> dict[str, str]:
    """Be sent to the sign-in page, sign in there, and return what the client is told in the end."""
    sent = await app.authorize(browser, **wanted)
    assert sent.status_code == 303
    following = next_of(sent)
    assert len(following) < 700
    refused = await browser.get(following, headers=NAVIGATION)
    assert refused.headers["location"].startswith(f"{URL}/auth/sign-in?"), "going there by hand is no way round"
    return answer_of(await sign_in_and_follow(kit, browser, email, following))


@pytest.mark.parametrize(
    "wanted",
    [
        {"prompt": "login"},
        {"prompt": "select_account"},
        {"prompt": "login select_account"},
        {"max_age": 0},
        {"max_age": 119},
    ],
    ids=str,
)
async def test_a_fresh_sign_in_is_had_when_wanted(
    kit: TestKit, app: App, alice: SignedInClient, wanted: dict[str, Any]
) -> None:
    before = claims_of((await app.tokens(alice))["id_token"])
    told = await signs_in_again(kit, app, alice.browser, "alice@example.com", **wanted)
    claims = claims_of((await app.redeem(told["code"])).json()["id_token"])
    assert claims["auth_time"] >= before["auth_time"] + 120
    assert claims["sub"] == before["sub"]


@pytest.mark.parametrize("wanted", [{}, {"max_age": 130}, {"max_age": 10_000}, {"prompt": "none"}], ids=str)
async def test_the_session_does_otherwise(app: App, alice: SignedInClient, wanted: dict[str, Any]) -> None:
    first = claims_of((await app.tokens(alice, max_age=15_000))["id_token"])
    second = claims_of((await app.tokens(alice, **wanted))["id_token"])
    assert (first["auth_time"], first["sub"]) == (second["auth_time"], second["sub"])


@pytest.mark.parametrize("other", [{}, {"max_age": 10}], ids=str)
async def test_silently_nobody_is_asked_to_sign_in(kit: TestKit, app: App, alice: SignedInClient, other: Any) -> None:
    browser = alice if other else kit.new_browser()
    reply = await app.authorize(browser, prompt="none", **other)
    assert answer_of(reply)["error"] == "login_required"
    assert answer_of(reply)["state"] == app.state


async def test_somebody_else_may_sign_in_and_is_then_the_one(kit: TestKit, app: App, alice: SignedInClient) -> None:
    told = await signs_in_again(kit, app, alice.browser, "bob@example.com", prompt="select_account")
    claims = claims_of((await app.redeem(told["code"])).json()["id_token"])
    assert claims["email"] == "bob@example.com"


async def test_the_sign_in_page_tells_who_is_signed_in(kit: TestKit, app: App, alice: SignedInClient) -> None:
    sent = await app.authorize(alice, prompt="login")
    page = await alice.get(sent.headers["location"], headers={"accept": "text/html"})
    assert "a•••@example.com" in page.text


async def test_an_id_token_hint_names_who_it_must_be(kit: TestKit, app: App, alice: SignedInClient) -> None:
    of_alice = (await app.tokens(alice))["id_token"]
    bob = await kit.sign_in("bob@example.com")
    kit.clock.advance(30 * DAY / 1_000_000 - 300)  # long expired, as hints are
    alice = await kit.sign_in("alice@example.com")
    assert "code" in answer_of(await app.authorize(alice, prompt="none", id_token_hint=of_alice))
    assert answer_of(await app.authorize(bob, prompt="none", id_token_hint=of_alice))["error"] == "login_required"
    told = await signs_in_again(kit, app, bob.browser, "alice@example.com", id_token_hint=of_alice)
    assert claims_of((await app.redeem(told["code"])).json()["id_token"])["sub"] == alice.user_id
    charlie = await kit.sign_in("charlie@example.com")
    wrong = await signs_in_again(kit, app, charlie.browser, "charlie@example.com", id_token_hint=of_alice)
    assert wrong["error"] == "login_required"


@pytest.mark.parametrize("kind", ["garbage", "access token", "altered"])
async def test_a_hint_that_proves_nothing_is_no_silent_way_in(
    kit: TestKit, app: App, alice: SignedInClient, kind: str
) -> None:
    tokens = await app.tokens(alice)
    head, payload, signature = tokens["id_token"].split(".")
    altered = f"{head}.{payload[:-4]}AAAA.{signature}"
    hint = {"garbage": "x.y.z", "access token": tokens["access_token"], "altered": altered}[kind]
    assert answer_of(await app.authorize(alice, prompt="none", id_token_hint=hint))["error"] == "login_required"
    assert "code" in answer_of(await app.authorize(alice, id_token_hint=hint))


@pytest.mark.parametrize("compromised", [True, False], ids=["compromised", "rotated"])
async def test_a_hint_whose_key_is_gone_still_names_who_it_must_be(
    kit: TestKit, app: App, alice: SignedInClient, compromised: bool
) -> None:
    hint = (await app.tokens(alice))["id_token"]
    bob = await kit.sign_in("bob@example.com")
    keys = kit.toll.access.keys
    await keys.rotate(compromised=compromised)
    if not compromised:
        kit.clock.advance(3 * HOUR / SECOND + 60)
        await keys.keep()
        await keys.refresh()
    assert keys.peek(header_of(hint)["kid"], "RS256") is None
    assert "code" in answer_of(await app.authorize(alice, prompt="none", id_token_hint=hint))
    assert answer_of(await app.authorize(bob, prompt="none", id_token_hint=hint))["error"] == "login_required"


async def test_a_forged_hint_gets_nothing_that_none_would_not(kit: TestKit, app: App, alice: SignedInClient) -> None:
    head, payload, _ = (await app.tokens(alice))["id_token"].split(".")
    bob = await kit.sign_in("bob@example.com")
    for browser in (alice, bob):
        told = answer_of(await app.authorize(browser, prompt="none", id_token_hint=f"{head}.{payload}.AAAA"))
        assert ("code" in told) is (browser is alice)
    assert (
        answer_of(await app.authorize(kit.new_browser(), prompt="none", id_token_hint=f"{head}.{payload}.AAAA"))[
            "error"
        ]
        == "login_required"
    )


async def test_what_was_settled_is_not_asked_again(app: App, alice: SignedInClient) -> None:
    sent = await app.authorize(alice, prompt="login consent", max_age=5, ui_locales="se", extra="x" * 3_000)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(next_of(sent)).query).items()}
    assert asked.pop("signed_in_after").isdigit()
    assert asked == {**app.parameters(), "prompt": "consent"}


async def test_a_request_too_long_to_come_back_to_is_refused_at_once(kit: TestKit, app: App) -> None:
    """Not after the person has signed in, when nobody would know what it was."""
    app.state = "%" * 1_000
    told = answer_of(await app.authorize(kit.new_browser()))
    assert told["error"] == "invalid_request"
    assert "too long" in told["error_description"]
    app.state = "s" * 1_000
    assert next_of(await app.authorize(kit.new_browser()))
