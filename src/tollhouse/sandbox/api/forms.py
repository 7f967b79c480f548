"""Forms as Stripe's clients encode them: `items[0][price]=…&expand[]=…`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.values import is_object

Value = str | list[Any] | dict[str, Any]

FIELDS_MAX: Final = 2_000
DEPTH_MAX: Final = 12
NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
INNER: Final = re.compile(r"\[([^\[\]]*)\]")


def decode(text: str) -> dict[str, Any]:
    """Return nested dicts and lists of strings. Raises `StripeError` 400 for names that cannot be read."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=FIELDS_MAX)
    except (UnicodeDecodeError, ValueError) as error:
        raise invalid("Invalid request: the parameters are not a form in UTF-8.") from error
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the values by their bracketed names; a value named twice is the last one."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        _put(root, _path(name), value, name)
    return {name: _finish(value) for name, value in root.items()}


def _path(name: str) -> list[str]:
    matched = NAME.match(name)
    if matched is None:
        raise invalid(f"Invalid parameter name: {name}", name)
    path = [matched[1], *INNER.findall(matched[2])]
    if len(path) > DEPTH_MAX:
        raise invalid(f"Invalid parameter name: nested more than {DEPTH_MAX} levels deep", name)
    return path


def _put(node: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for key in path[:-1]:
        inner = node.setdefault(_key(node, key), {})
        if not is_object(inner):
            raise invalid(f"Invalid object: {name} has a value as well as members", name)
        node = inner
    last = _key(node, path[-1])
    if is_object(node.get(last)):
        raise invalid(f"Invalid object: {name} has a value as well as members", name)
    node[last] = value


def _key(node: dict[str, Any], key: str) -> str:
    """Return the key itself, or for `[]` the next number."""
    return key or str(len(node))


def _finish(value: Any) -> Any:
    """Turn dicts with the keys 0, 1, 2 … into lists."""
    if not is_object(value):
        return value
    finished = {key: _finish(each) for key, each in value.items()}
    if all(key.isascii() and key.isdigit() and len(key) < 10 for key in finished):
        return [finished[key] for key in sorted(finished, key=int)]
    return finished
