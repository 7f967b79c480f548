"""Events on their way to `stripe listen`, kept until they are acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

from tollhouse.sandbox.resources.account import stripecli_sessions
from tollhouse.sandbox.resources.account.stripecli_sessions import secret_of
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj
from tollhouse.sandbox.webhooks.message import HEADERS, print_event
from tollhouse.sandbox.webhooks.signing import sign

MESSAGE: Final = "stripecli_message"
# How long a session without a connection is kept: the CLI comes back within seconds.
ABSENCE_SECONDS_MAX: Final = 60
LATEST: Final = "_latest"


class Listeners:
    """The sessions of `stripe listen`, and what each has still to be told."""

    def __init__(self, world: World) -> None:
        """Keep both in this world; a connection ends with the process."""
        self._world = world
        self._connected: dict[str, asyncio.Event] = {}

    @property
    def url(self) -> str:
        """Where the sandbox is reached."""
        return self._world.url

    def announce(self, event: Obj) -> None:
        """Tell an event to every session; inside a transaction."""
        for session in self._world.every(stripecli_sessions.KIND):
            if self._is_gone(session):
                self._forget(session)
            elif stripecli_sessions.WEBHOOKS in session["features"]:
                message = {"id": "wc_" + self._world.ids.text(24), "object": MESSAGE, "event": event["id"]}
                self._world.save(message | {"endpoint": session["id"]})
                self._wake(session["id"])

    def connect(self, session_id: str) -> asyncio.Event | None:
        """Begin a connection; return what is set when there is something to be told, or None for no such session."""
        with self._world.store.transaction():
            session = self._world.find(stripecli_sessions.KIND, session_id)
            if session is None or self._is_gone(session):
                return None
        woken = self._connected[session_id] = asyncio.Event()
        woken.set()
        return woken

    def disconnect(self, session_id: str, woken: asyncio.Event) -> None:
        """End a connection; the session waits a while for the next one."""
        if self._connected.get(session_id) is woken:  # or it dialled again before we noticed that it hung up
            del self._connected[session_id]
        with self._world.store.transaction():
            session = self._world.find(stripecli_sessions.KIND, session_id)
            if session is not None:
                self._world.save(session | {"seen": int(time.time())})

    def untold(self, session_id: str, told: set[str]) -> list[str]:
        """Return the messages to send, oldest first, and note in `told` which they are."""
        session = self._world.find(stripecli_sessions.KIND, session_id)
        messages: list[str] = []
        for row in self._world.every(MESSAGE, endpoint=session_id)[::-1]:
            event = self._world.find("event", row["event"])
            if row["id"] not in told and session is not None and event is not None:
                told.add(row["id"])
                # Twice: in the account's version, and in the latest, which `stripe listen --latest` waits for.
                messages.append(self._make_message(session, row["id"], event, None))
                messages.append(self._make_message(session, row["id"] + LATEST, event, self._world.description.version))
        return messages

    def acknowledge(self, conversation_id: str) -> None:
        """An event has arrived."""
        with self._world.store.transaction():
            self._world.store.remove(conversation_id.removesuffix(LATEST), MESSAGE)

    def _make_message(self, session: Obj, conversation_id: str, event: Obj, version: str | None) -> str:
        body = print_event(self._world, event, version)
        signature = sign(body, [secret_of(self._world, session)], int(time.time()))
        message = {
            "type": "webhook_event",
            "endpoint": {"api_version": version},
            "event_payload": body.decode(),
            "http_headers": HEADERS | {"Stripe-Signature": signature},
            "webhook_conversation_id": conversation_id,
            "webhook_id": "wh_" + session["id"].removeprefix("cliws_"),
        }
        return json.dumps(message)

    def _is_gone(self, session: Obj) -> bool:
        return session["id"] not in self._connected and time.time() - session["seen"] > ABSENCE_SECONDS_MAX

    def _forget(self, session: Obj) -> None:
        for message in self._world.every(MESSAGE, endpoint=session["id"]):
            self._world.store.remove(message["id"], MESSAGE)
        self._world.store.remove(session["id"], stripecli_sessions.KIND)

    def _wake(self, session_id: str) -> None:
        woken = self._connected.get(session_id)
        if woken is not None:
            woken.set()
