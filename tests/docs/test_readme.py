"""The Python of the README and the guides runs, and does what the words beside it say."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from tests.docs.documents import CREDITS, EVENTS, README, ROOT, SANDBOX, TOKENS, blocks
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


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("example_host", ROOT / "examples" / "host" / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_example_keeps_each_user_s_notes_and_forgets_them_with_the_user() -> None:
    host = load_example()
    async with TestKit(app=host.app, toll=host.toll) as kit:
        alice, bob = await kit.sign_in("alice@example.com"), await kit.sign_in("bob@example.com")
        await kit.settle()
        assert (await alice.post("/notes", params={"text": "milk"})).json() == {"notes": ["Welcome!", "milk"]}
        assert (await bob.get("/notes")).json() == {"email": "bob@example.com", "notes": ["Welcome!"]}
        assert (await kit.new_browser().get("/notes")).status_code == 401
        assert (await kit.new_browser().get("/")).status_code == 200
        assert (await alice.post("/account/delete", json={"confirm": "yes"})).status_code == 200
        await kit.settle()
    assert alice.user_id not in host.notes
    assert bob.user_id in host.notes


async def test_the_example_refuses_a_note_that_another_site_sends() -> None:
    host = load_example()
    async with TestKit(app=host.app, toll=host.toll) as kit:
        alice = await kit.sign_in("alice@example.com")
        sent = await alice.post("/notes", params={"text": "spam"}, headers={"origin": "https://mallory.example"})
        assert (sent.status_code, sent.json()["code"]) == (403, "cross_site_request")
        await kit.settle()
    assert "spam" not in host.notes.get(alice.user_id, [])


def test_the_example_stays_small() -> None:
    assert len((ROOT / "examples" / "host" / "main.py").read_text().splitlines()) < 60
    assert (ROOT / "examples" / "host" / "README.md").read_text().count("\n") <= 16
