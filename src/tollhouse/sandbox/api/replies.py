"""Replies, and what is kept of them for requests that come again with the same idempotency key."""

from __future__ import annotations

import hashlib
import json
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


class Idempotency:
    """Replies by key. Source: docs.stripe.com/api/idempotent_requests."""

    def __init__(self, world: World) -> None:
        """Keep them in the world's store; what is under way ends with the process."""
        self._world = world
        self._under_way: set[str] = set()

    def begin(self, key: str, path: str, params: dict[str, Any]) -> Reply | None:
        """Return the earlier reply, or None and the key is under way until `end`.

        Raises `StripeError`: 400 `idempotency_error` for another request than the first, 409 while that is under way.
        """
        if len(key) > KEY_LENGTH_MAX:
            raise StripeError(
                f"Idempotency keys can have at most {KEY_LENGTH_MAX} characters.", type="idempotency_error"
            )
        oldest = self._world.clock.now() - KEPT_SECONDS
        self._world.store.execute("DELETE FROM replies WHERE created < ?", oldest)
        sql = "SELECT request, fingerprint, status, body FROM replies WHERE key = ?"
        for request, fingerprint, status, body in self._world.store.execute(sql, key):
            self._compare(key, path, params, fingerprint)
            headers = {"Idempotent-Replayed": "true", "Original-Request": request}
            return Reply(status, json.loads(body), headers)
        if key in self._under_way:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key (that probably means you"
                f" submitted twice, and the other request is still going through): {key}. Please try again later.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._under_way.add(key)
        return None

    def end(self, key: str, path: str, params: dict[str, Any], request_id: str, reply: Reply | None) -> None:
        """The request is through; its reply is kept if it came to its operation at all."""
        self._under_way.discard(key)
        if reply is not None and reply.is_kept:
            sql = (
                "INSERT OR IGNORE INTO replies (key, request, fingerprint, status, body, created) VALUES (?,?,?,?,?,?)"
            )
            fingerprint = f"{path} {_digest(params)}"
            body = json.dumps(reply.body)
            now = self._world.clock.now()
            self._world.store.execute(sql, key, request_id, fingerprint, reply.status, body, now)

    def _compare(self, key: str, path: str, params: dict[str, Any], fingerprint: str) -> None:
        first_path, _, first_digest = fingerprint.partition(" ")
        if first_path != path:
            raise StripeError(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for"
                f" ('{path}' vs '{first_path}'). Try using a key other than '{key}' if you meant to execute a"
                " different request.",
                type="idempotency_error",
            )
        if first_digest != _digest(params):
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
                f" Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )


def _digest(params: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
