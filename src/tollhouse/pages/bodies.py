"""Bodies of requests: small, flat, every field once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from tollhouse.errors import BodyInvalid

FIELDS_MAX: Final = 30
SURROGATE: Final = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


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
