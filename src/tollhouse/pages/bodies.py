"""Bodies of requests: small, flat, every field once."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import Message, Receive

from tollhouse.errors import BodyInvalid, BodyTooLarge, RequestError

BODY_BYTES_MAX: Final = 64 * 1024
BODY_SECONDS_MAX: Final = 10.0
FIELDS_MAX: Final = 30
SURROGATE: Final = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


class BodyTooSlow(RequestError):
    """The body of the request did not arrive in time."""

    code = "body_too_slow"
    status = 408


class BoundedBody:
    """`receive` that stops at a size and at a time, whatever length the headers promised."""

    def __init__(self, receive: Receive, bytes_max: int) -> None:
        """Read at most so many bytes, for at most `BODY_SECONDS_MAX` from the first question on."""
        self._receive = receive
        self._left = bytes_max
        self._deadline: float | None = None

    async def __call__(self) -> Message:
        """Return the next message; raise `BodyTooLarge` or `BodyTooSlow` beyond the bounds."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS_MAX
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLarge
        return message


def is_json(request: Request) -> bool:
    """Whether the body is JSON; else it is a form."""
    return media_type(request) == "application/json"


def media_type(request: Request) -> str:
    """Return the body's media type without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def wants_html(request: Request) -> bool:
    """Whether a person's browser asks, so that an error should be a page."""
    return "text/html" in request.headers.get("accept", "") and not is_json(request)


async def read_fields(request: Request) -> Mapping[str, Any]:
    """Return the fields of a JSON object or a form; raise `BodyInvalid` for anything else or a field given twice.

    A form that repeats a field would be read differently by whoever looks at it first and last.
    """
    body = await request.body()
    kind = media_type(request)
    if kind == "application/json":
        return _parse_json(body)
    if kind == "application/x-www-form-urlencoded" or not body:
        return _parse_form(body)
    raise BodyInvalid("Send application/json or application/x-www-form-urlencoded.")


def _parse_json(body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode("utf-8")  # the one encoding of RFC 8259 8.1; `json` itself would guess others
        value = json.loads(text, object_pairs_hook=_once)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # half a character is a string that nothing can write down
    except (ValueError, RecursionError) as error:
        raise BodyInvalid("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise BodyInvalid("The body must be a JSON object.")
    return _once(value.items())


def _parse_form(body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise BodyInvalid("The body is not a form.") from error
    return _once(pairs)


def _once(pairs: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise BodyInvalid("A field is given twice.")
        fields[name] = value
    return fields


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that must be text; raise `BodyInvalid` with its name otherwise."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BodyInvalid(f"`{name}` is missing or not text.", field=name)
    return value
