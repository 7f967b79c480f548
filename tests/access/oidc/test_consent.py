"""An app of somebody else's gets what the person agreed to, and nothing behind their back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.oidc.relying_party import (
    NAVIGATION,
    OURS,
    URL,
    App,
    answer_of,
    claims_of,
    fields_of,
    next_of,
    sign_in_and_follow,
    stranger,
)
from tests.identity.rows import rows_of
from tollhouse.access import tables
from tollhouse.testing import SignedInClient, TestKit

SCOPE = "openid email offline_access profile"


@pytest.fixture
def calendar(kit: TestKit) -> App:
    """An app of somebody else's."""
    return stranger(kit)


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


async def agree(calendar: App, browser: Any, answer: str = "yes", **wanted: Any) -> Any:
    """Be asked, and answer."""
    page = await calendar.authorize(browser, **wanted)
    assert page.status_code == 200
    assert "consent_session" in fields_of(page), page.text
    return await browser.post("/oauth/authorize", data={**fields_of(page), "consent": answer}, headers=OURS)


async def test_the_person_is_asked_and_the_app_gets_its_code(calendar: App, alice: SignedInClient) -> None:
    page = await calendar.authorize(alice, scope=SCOPE)
    for words in ("Allow Calendar Thing?", "calendar.example.net", "alice@example.com", "see your e-mail address"):
        assert words in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.com;" in page.headers["content-security-policy"]
    back = await agree(calendar, alice, scope=SCOPE)
    assert back.status_code == 200, "out of our form, so by the page that goes on"
    told = answer_of(back)
    assert told["state"] == calendar.state
    tokens = (await calendar.redeem(told["code"])).json()
    assert tokens["scope"] == SCOPE
    assert claims_of(tokens["id_token"])["email"] == "alice@example.com"


async def test_its_access_token_is_good_for_nothing_but_who_it_is(
    kit: TestKit, calendar: App, alice: SignedInClient
) -> None:
    tokens = (await calendar.redeem(answer_of(await agree(calendar, alice))["code"])).json()
    assert claims_of(tokens["access_token"])["aud"] == f"{URL}/oauth/userinfo"
    assert (await calendar.userinfo(tokens["access_token"])).json()["sub"] == alice.user_id
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await kit.new_browser().get("/auth/whoami", headers=headers)).status_code == 401
    own = await App(kit).tokens(alice)
    headers = {"authorization": f"Bearer {own['access_token']}"}
    assert (await kit.new_browser().get("/auth/whoami", headers=headers)).status_code == 200


async def test_a_no_is_told_and_nothing_is_granted(kit: TestKit, calendar: App, alice: SignedInClient) -> None:
    for answer in ("no", "", "YES"):
        told = answer_of(await agree(calendar, alice, answer or "maybe"))
        assert (told["error"], told["state"], told["iss"]) == ("access_denied", calendar.state, URL)
    assert await rows_of(kit, tables.grants) == []


async def test_what_was_agreed_to_is_remembered_as_long_as_the_session(
    kit: TestKit, calendar: App, alice: SignedInClient
) -> None:
    await calendar.redeem(answer_of(await agree(calendar, alice, scope="openid email"))["code"])
    kit.clock.advance(86_400)
    for scope in ("openid email", "openid", "email"):
        assert "code" in answer_of(await calendar.authorize(alice, scope=scope, prompt="none")), scope
    more = await calendar.authorize(alice, scope="openid email offline_access", prompt="none")
    assert answer_of(more)["error"] == "consent_required"
    assert "consent_session" in fields_of(await calendar.authorize(alice, scope="openid email offline_access"))
    elsewhere = await kit.sign_in("alice@example.com")
    assert answer_of(await calendar.authorize(elsewhere, prompt="none"))["error"] == "consent_required"


async def test_what_was_revoked_is_asked_again(kit: TestKit, calendar: App, alice: SignedInClient) -> None:
    tokens = (await calendar.redeem(answer_of(await agree(calendar, alice, scope=SCOPE))["code"])).json()
    assert (await calendar.post("/oauth/revoke", token=tokens["refresh_token"])).status_code == 200
    assert answer_of(await calendar.authorize(alice, prompt="none"))["error"] == "consent_required"


async def test_silently_nobody_is_asked(calendar: App, alice: SignedInClient) -> None:
    assert answer_of(await calendar.authorize(alice, prompt="none"))["error"] == "consent_required"


async def test_nobody_learns_silently_who_is_signed_in_before_they_agree(
    kit: TestKit, app: App, calendar: App, alice: SignedInClient
) -> None:
    hints = {True: (await app.tokens(alice))["id_token"]}
    hints[False] = (await app.tokens(await kit.sign_in("bob@example.com")))["id_token"]
    guesses: list[dict[str, Any]] = [{"max_age": 0}, {"id_token_hint": "x.y.z"}]
    for right in (True, False):
        guesses.append({"login_hint": "alice@example.com" if right else "bob@example.com"})
        guesses.append({"id_token_hint": hints[right]})
        for after in (0, 1, None):
            user_id = alice.user_id if right else "usr_0"
            guesses.append({"expected_user": user_id, "signed_in_after": after})
    for guess in guesses:
        assert answer_of(await calendar.authorize(alice, prompt="none", **guess))["error"] == "consent_required", guess
    assert answer_of(await calendar.authorize(kit.new_browser(), prompt="none"))["error"] == "login_required"


async def test_whom_a_sign_in_was_for_is_ours_to_say_after_it(app: App, alice: SignedInClient) -> None:
    assert "code" in answer_of(await app.authorize(alice, prompt="none", expected_user="usr_0"))
    wrong = await app.authorize(alice, prompt="none", expected_user="usr_0", signed_in_after=0)
    assert answer_of(wrong)["error"] == "login_required"


async def test_an_app_of_ours_asks_only_when_it_wants_to(kit: TestKit, app: App, alice: SignedInClient) -> None:
    page = await app.authorize(alice, prompt="consent")
    assert "Allow Harbour Notes?" in page.text
    assert "code" in answer_of(await agree(app, alice, prompt="consent"))
    assert "Allow Harbour Notes?" in (await app.authorize(alice, prompt="consent")).text, "each time"


async def test_after_signing_in_the_question_is_still_asked(kit: TestKit, calendar: App) -> None:
    browser = kit.new_browser()
    following = next_of(await calendar.authorize(browser))
    page = await sign_in_and_follow(kit, browser, "bob@example.com", following)
    assert "Allow Calendar Thing?" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "https://www.example.com"},
        {"sec-fetch-site": "same-site", "origin": "https://app.example.com"},
        {"origin": "https://app.example.com"},
        {"origin": "null"},
    ],
    ids=str,
)
async def test_no_other_page_agrees_for_the_person(
    kit: TestKit, calendar: App, alice: SignedInClient, headers: dict[str, str]
) -> None:
    form = {**fields_of(await calendar.authorize(alice)), "consent": "yes"}
    reply = await alice.post("/oauth/authorize", data=form, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")
    assert await rows_of(kit, tables.grants) == []


async def test_the_answer_counts_for_whoever_saw_the_question(
    kit: TestKit, calendar: App, alice: SignedInClient
) -> None:
    form = {**fields_of(await calendar.authorize(alice)), "consent": "yes"}
    bob = await kit.sign_in("bob@example.com")
    again = await bob.post("/oauth/authorize", data=form, headers=OURS)
    assert "bob@example.com" in again.text
    assert fields_of(again)["consent_session"] == bob.session_id
    form.pop("consent_session")
    assert "consent_session" in fields_of(await bob.post("/oauth/authorize", data=form, headers=OURS))
    assert await rows_of(kit, tables.grants) == []


async def test_a_request_that_was_read_can_be_agreed_to(calendar: App, alice: SignedInClient) -> None:
    more: dict[str, Any] = {f"x{number}": number for number in range(40 - len(calendar.parameters()))}
    assert "code" in answer_of(await agree(calendar, alice, **more))
    too_many = await calendar.authorize(alice, **more, one="more")
    assert (too_many.status_code, "location" in too_many.headers) == (400, False)


async def test_a_changed_form_is_read_as_any_request(kit: TestKit, calendar: App, alice: SignedInClient) -> None:
    form = {**fields_of(await calendar.authorize(alice)), "consent": "yes"}
    reply = await alice.post("/oauth/authorize", data={**form, "redirect_uri": "https://evil.example/"}, headers=OURS)
    assert reply.status_code == 400
    assert "evil.example" not in reply.text
    told = answer_of(await alice.post("/oauth/authorize", data={**form, "code_challenge": ""}, headers=OURS))
    assert told["error"] == "invalid_request"


async def test_whoever_signed_out_meanwhile_signs_in_first(calendar: App, alice: SignedInClient) -> None:
    form = {**fields_of(await calendar.authorize(alice)), "consent": "yes"}
    await alice.post("/auth/sign-out")
    sent = await alice.post("/oauth/authorize", data=form, headers=OURS)
    assert next_of(sent).startswith("/oauth/authorize?")
    assert "consent" not in next_of(sent)


async def test_the_app_s_words_are_only_words(make_kit: Any) -> None:
    from tests.access.oidc.relying_party import client

    name = "<script>alert(1)</script>"
    given = {"id": "odd", "name": name, "redirect_uris": ("https://odd.example.net/cb",), "first_party": False}
    async with make_kit(clients=(client(**given),)) as kit:
        odd = App(kit, "odd", None, "https://odd.example.net/cb")
        alice = await kit.sign_in("alice@example.com")
        page = await odd.authorize(alice, state='"><script>alert(2)</script>', headers=NAVIGATION)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
