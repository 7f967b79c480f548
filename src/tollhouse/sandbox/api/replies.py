"""Replies, and what is kept of them for requests that come again with the same idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tollhouse.sandbox.api.connections import hang_up
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

KEY_LENGTH_MAX: Final = 255
KEPT_SECONDS: Final = 24 * 3600


@dataclass(slots=True)
class Reply:
    """A status with a body, and whether it is kept for the same idempotency key."""

    status: int
    body: Obj
    headers: dict[str, str] = field(default_factory=dict[str, str])
    is_kept: bool = True


class BrokenReply(Response):
    """No reply: the connection breaks.

    Where there is none of this process's own, `ConnectionResetError` leaves the application: a caller in process sees
    that, and any other server breaks off in the middle of a reply.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Break it before a byte was sent, or promise more than is sent."""
        if hang_up(scope.get("client")):
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionResetError("A fault broke the connection.")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request by its idempotency key, if it has one: the reply it had before, and a way to keep the one it gets."""

    keep: Callable[[Reply], None]  # for as long as keys count; within the effect's transaction
    earlier: Reply | None = None


class Idempotency:
    """Replies by key. Source: docs.stripe.com/api/idempotent_requests."""

    def __init__(self, world: World) -> None:
        """Keep them in the world's store; what is under way ends with the process."""
        self._world = world
        self._under_way: set[str] = set()

    @contextmanager
    def asked(self, key: str | None, request_id: str, fingerprint: str) -> Generator[Asked]:
        """Let a request be under way inside; `fingerprint` is its path, and a digest of its parameters.

        Raises `StripeError`: 400 `idempotency_error` for another request than the first, 409 while that is under way.
        """
        if not key:
            yield Asked(keep=lambda _reply: None)
            return
        earlier = self._find(key, fingerprint)
        if earlier is not None:
            yield Asked(keep=lambda _reply: None, earlier=earlier)
            return
        self._under_way.add(key)
        try:
            yield Asked(keep=lambda reply: self._keep(key, request_id, fingerprint, reply))
        finally:
            self._under_way.discard(key)

    def _find(self, key: str, fingerprint: str) -> Reply | None:
        """Return the reply to the key's first request, or None for the first one itself."""
        if len(key) > KEY_LENGTH_MAX:
            raise StripeError(
                f"Idempotency keys can have at most {KEY_LENGTH_MAX} characters.", type="idempotency_error"
            )
        oldest = self._world.clock.now() - KEPT_SECONDS
        self._world.store.execute("DELETE FROM replies WHERE created < ?", oldest)
        sql = "SELECT request, fingerprint, status, body FROM replies WHERE key = ?"
        for request, first, status, body in self._world.store.execute(sql, key):
            _compare(key, first, fingerprint)
            return Reply(status, json.loads(body), {"Idempotent-Replayed": "true", "Original-Request": request})
        if key in self._under_way:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key (that probably means you"
                f" submitted twice, and the other request is still going through): {key}. Please try again later.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        return None

    def _keep(self, key: str, request_id: str, fingerprint: str, reply: Reply) -> None:
        """Keep the reply, if it came to its operation at all."""
        if reply.is_kept:
            sql = (
                "INSERT OR IGNORE INTO replies (key, request, fingerprint, status, body, created) VALUES (?,?,?,?,?,?)"
            )
            now = self._world.clock.now()
            self._world.store.execute(sql, key, request_id, fingerprint, reply.status, json.dumps(reply.body), now)


def digest(params: dict[str, Any]) -> str:
    """Return what tells one request's parameters from another's."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def _compare(key: str, first: str, fingerprint: str) -> None:
    """Raise `StripeError` 400 unless both are the same request."""
    path, _, parameters = fingerprint.rpartition(" ")
    first_path, _, first_parameters = first.rpartition(" ")
    if first_path != path:
        raise StripeError(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            f" ('{path}' vs '{first_path}'). Try using a key other than '{key}' if you meant to execute a"
            " different request.",
            type="idempotency_error",
        )
    if first_parameters != parameters:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            f" Try using a key other than '{key}' if you meant to execute a different request.",
            type="idempotency_error",
        )
