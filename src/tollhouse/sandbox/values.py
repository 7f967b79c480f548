"""JSON values, told apart in a way that the type checker follows."""

from __future__ import annotations

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
