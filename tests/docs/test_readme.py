"""The Python of the README and the guides runs, and does what the words beside it say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from tests.docs.documents import CREDITS, EVENTS, README, SANDBOX, TOKENS, blocks
from tollhouse import Event
from tollhouse.endpoints.secrets import Secret, create_secret
from tollhouse.endpoints.signing import Signer
from tollhouse.testing import TestKit

pytestmark = pytest.mark.usefixtures("readme_environment")


def run_block(number: int, *, among: Any = README, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a Python block defines, with what the blocks before it gave."""
    block = blocks("python", among)[number]
    names: dict[str, Any] = {"__name__": "documented", **(given or {})}
    exec(compile(block.text, block.name, "exec"), names)  # the text is our own
    return names


async def test_the_ten_lines_of_the_readme_know_who_is_signed_in(capsys: pytest.CaptureFixture[str]) -> None:
    host = run_block(0)
    async with TestKit(app=host["app"], toll=host["toll"]) as kit:
        alice, stranger = await kit.sign_in("alice@example.com"), kit.new_browser()
        assert (await alice.get("/whoami")).json() == {"user_id": alice.user_id, "email": "alice@example.com"}
        refused = await stranger.get("/whoami")
        assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
        await kit.settle()
    assert f"signed in: {alice.user_id}" in capsys.readouterr().out


def test_the_mount_is_short() -> None:
    lines = [line for line in blocks("python", README)[0].text.splitlines() if line.strip()]
    assert len(lines) <= 12


async def test_the_test_that_the_readme_shows_passes() -> None:
    test: Callable[[], Awaitable[None]] = run_block(1, given=run_block(0))["test_alice_is_let_in"]
    await test()


async def test_the_readme_s_test_fails_for_a_host_that_lets_everybody_in() -> None:
    toll, app = run_block(0)["toll"], FastAPI()
    toll.install(app)

    @app.get("/whoami")
    async def _whoami() -> dict[str, str]:
        return {"email": "alice@example.com"}

    with pytest.raises(AssertionError):
        await run_block(1, given={"app": app, "toll": toll})["test_alice_is_let_in"]()


async def test_the_handler_of_the_events_page_greets_a_new_user_once_even_if_the_event_comes_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guide, app, events = run_block(1, among=EVENTS), FastAPI(), list[Event]()
    toll = guide["toll"]
    toll.install(app)

    @toll.on("user.created", name="keeps it")
    async def _keep(event: Event) -> None:
        events.append(event)

    async with TestKit(app=app, toll=toll) as kit:
        await kit.sign_in("alice@example.com")
        await kit.settle()
    await guide["welcome"](events[0])
    assert guide["welcomed"] == {events[0].id}
    assert capsys.readouterr().out.count(f"a new user: {events[0].user_id}") == 1


def test_the_receiver_of_the_events_page_takes_what_is_signed_and_nothing_else() -> None:
    read = run_block(0, among=EVENTS)["read"]
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwqXv3hT0gPZ4="
    body = '{"id":"out_1","type":"test"}'
    headers = Signer([Secret(create_secret()), Secret(secret)]).headers("out_1", body, now_us=0)
    assert read(body.encode(), headers) == {"id": "out_1", "type": "test"}
    assert read(body.encode() + b" ", headers) is None
    assert read(body.encode(), Signer([Secret(create_secret())]).headers("out_1", body, now_us=0)) is None


def test_every_python_block_is_run_here() -> None:
    found = [block.path for block in blocks("python")]
    assert found == [README, README, CREDITS, EVENTS, EVENTS, *[SANDBOX] * 3, *[TOKENS] * 4], (
        "a new block wants a test of its guide"
    )
