"""JSON values, told apart in a way that the type checker follows."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

Obj = dict[str, Any]  # an object of the API, or a part of one


def is_object(value: Any) -> TypeGuard[Obj]:
    """Say whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Say whether a JSON value is an array."""
    return isinstance(value, list)


def part(value: Any) -> Obj:
    """Return a part of an object that may be null: what it is, or nothing in it."""
    return value if is_object(value) else {}


def read_json(text: str | bytes) -> Any:
    """Return a JSON value that can be kept and written again.

    Raises `ValueError` for no JSON, NaN and infinity, halves of characters, and what is nested too deep.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
