"""What the app is told of people: that they are new, that they signed in, that they are gone, in order."""

from __future__ import annotations

from tests.identity.rows import rows_of
from tollhouse.events import Event
from tollhouse.events.tables import deliveries, events
from tollhouse.testing import TestKit


def listen(kit: TestKit, *types: str) -> list[Event]:
    """Everything of these types that handlers will be given."""
    heard: list[Event] = []
    for each in types:

        @kit.toll.on(each, name=f"listener of {each}")
        async def note(event: Event) -> None:
            heard.append(event)

    return heard


async def test_handlers_hear_exactly_what_happened_in_order(make_kit):
    kit = make_kit()
    heard = listen(kit, "user.created", "user.signed_in", "user.erased")
    async with kit:
        alice = await kit.sign_in("alice@example.com")
        await kit.settle()
        again = await kit.sign_in("alice@example.com")
        await kit.settle()
        assert (await again.post("/account/delete", json={"confirm": "yes"})).status_code == 200
        await kit.settle()
    told = sorted(heard, key=lambda event: event.sequence or 0)
    assert [(event.type, event.sequence, dict(event.data)) for event in told] == [
        ("user.created", 1, {"user_id": alice.user_id}),
        ("user.signed_in", 2, {"user_id": alice.user_id, "session_id": alice.session_id}),
        ("user.signed_in", 3, {"user_id": alice.user_id, "session_id": again.session_id}),
        ("user.erased", 4, {"user_id": alice.user_id}),
    ]
    assert {event.user_id for event in told} == {alice.user_id}
    assert all(event.id.startswith("out_") for event in told)


async def test_users_are_counted_apart(make_kit):
    kit = make_kit()
    heard = listen(kit, "user.created")
    async with kit:
        for name in ("alice", "bob"):
            await kit.sign_in(f"{name}@example.com")
        await kit.settle()
    assert [event.sequence for event in heard] == [1, 1]


async def test_what_did_not_happen_is_not_told(make_kit):
    kit = make_kit()
    heard = listen(kit, "user.created", "user.signed_in")
    async with kit:
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        mail = await kit.mail_to("alice@example.com")
        await browser.post("/auth/callback/preview", json={"token": mail.link.partition("#")[2]})
        await browser.post("/auth/callback", json={"token": "A" * 43})
        kit.clock.advance(601)
        assert (await browser.open_link(mail)).status_code == 410
        await kit.settle()
        assert await rows_of(kit, events) == []
    assert heard == []


async def test_a_handler_that_fails_gets_it_again(make_kit):
    kit = make_kit()
    tries: list[str] = []

    @kit.toll.on("user.created")
    async def stumble(event: Event) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            raise RuntimeError("the app's own trouble")

    async with kit:
        await kit.sign_in("alice@example.com")
        await kit.settle()
        assert len(tries) == 1
        kit.clock.advance(10)
        await kit.settle()
        assert len(tries) == 2
        assert len(set(tries)) == 1
        assert {row["status"] for row in await rows_of(kit, deliveries)} == {"delivered"}


async def test_events_name_nobody(make_kit):
    kit = make_kit()
    listen(kit, "user.created", "user.signed_in")
    async with kit:
        await kit.sign_in("alice@example.com")
        await kit.settle()
        stored = repr(await rows_of(kit, events)) + repr(await rows_of(kit, deliveries))
        assert "alice" not in stored
        assert "example.com" not in stored
