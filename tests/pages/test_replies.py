"""Replies: problem details for programs, pages with a way on for people, and an id on each."""

from __future__ import annotations

import re

import pytest
import structlog.testing
from starlette.requests import Request

from tests.pages.conftest import APP
from tollhouse.testing import TestKit, token_of

HTML = {"accept": "text/html,application/xhtml+xml"}
PAGES = ("/auth/sign-in", "/auth/check-your-email", "/auth/callback", "/auth/signed-out")


async def test_a_problem_has_the_standards_members(kit: TestKit):
    reply = await kit.new_browser().post("/auth/callback", json={"token": "A" * 43})
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json() == {
        "type": "urn:tollhouse:magic_link_invalid",
        "title": "That did not work",
        "status": 400,
        "detail": "This link is not complete. Open it again from the mail, or type the code.",
        "code": "magic_link_invalid",
        "request_id": reply.headers["x-request-id"],
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "way_on"),
    [
        ("POST", "/auth/callback", 422, "/account"),
        ("POST", "/account/delete", 401, "/auth/sign-in"),
        ("GET", "/auth/nothing", 404, "/account"),
        ("PUT", "/auth/code", 405, "/account"),
        ("GET", "/auth/sign-in?next=//evil.example", 422, "/auth/sign-in"),
    ],
)
async def test_a_person_gets_a_page_with_a_way_on(kit: TestKit, method, path, status, way_on):
    page = await kit.new_browser().request(method, path, headers=HTML)
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'href="{way_on}' in page.text
    assert "content-security-policy" in page.headers
    assert page.headers["cache-control"] == "no-store"


async def test_every_dead_end_of_a_sign_in_has_a_way_on(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    token = token_of(await kit.mail_to("alice@example.com"))
    again = await browser.post("/auth/magic-links", data={"email": "alice@example.com"}, headers=HTML)
    assert (again.status_code, "seconds" in again.text) == (429, True)
    used = [await browser.post("/auth/callback", data={"token": token}, headers=HTML) for _ in range(2)][1]
    pages = [again, used, await browser.post("/auth/code", data={"code": "123456"}, headers=HTML)]
    for page in pages:
        assert page.status_code in (400, 410, 429)
        assert re.search(r'<a class="button[^>]* href="/|<form method="post" action="/', page.text)


@pytest.mark.parametrize(
    ("path", "code"), [("/auth/nothing", "not_found"), ("/nothing", "not_found"), ("/", "not_found")]
)
async def test_what_is_not_there_is_a_problem_too(kit: TestKit, path, code):
    reply = await kit.new_browser().get(path)
    assert (reply.status_code, reply.json()["code"]) == (404, code)


async def test_a_wrong_method_is_a_problem_too(kit: TestKit):
    reply = await kit.new_browser().get("/auth/code")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_a_mistake_of_ours_tells_an_id_and_nothing_else(kit: TestKit, accept):
    async def broken(_: Request):
        raise RuntimeError("th_sk_live_secret alice@example.com")

    kit.app.add_route("/auth/broken", broken)
    with structlog.testing.capture_logs() as logged:
        reply = await kit.new_browser().get("/auth/broken", headers={"accept": accept, "x-request-id": "abc-1"})
    assert "request_failed" in [entry["event"] for entry in logged]
    assert reply.status_code == 500
    assert "abc-1" in reply.text
    for word in ("secret", "alice", "Traceback", "RuntimeError", "broken"):
        assert word not in reply.text


@pytest.mark.parametrize("given", ["abc-1", "A.b_c-9", "x" * 64])
async def test_a_request_keeps_its_id(kit: TestKit, given):
    for path in ("/auth/sign-in", "/auth/session", "/nothing"):
        assert (await kit.new_browser().get(path, headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "é", "<script>"])
async def test_an_odd_id_is_replaced(kit: TestKit, given):
    reply = await kit.new_browser().get("/auth/session", headers=[(b"x-request-id", given.encode())])
    assert re.fullmatch("[0-9a-f]{16}", reply.headers["x-request-id"])
    assert reply.json()["request_id"] == reply.headers["x-request-id"]


async def test_ids_differ(kit: TestKit):
    browser = kit.new_browser()
    assert len({(await browser.get("/auth/sign-in")).headers["x-request-id"] for _ in range(20)}) == 20


@pytest.mark.parametrize("path", [*PAGES, "/auth/static/tollhouse.css", "/health/live"])
async def test_head_is_answered_like_get_without_a_body(kit: TestKit, path):
    browser = kit.new_browser()
    get, head = await browser.get(path), await browser.head(path)
    assert get.status_code == head.status_code == 200
    unlike = ("x-request-id",)
    assert {n: v for n, v in head.headers.items() if n not in unlike} == {
        n: v for n, v in get.headers.items() if n not in unlike
    }


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_carries_its_guard(kit: TestKit, path):
    headers = (await kit.new_browser().get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {APP}" in policy
    assert "unsafe" not in policy
