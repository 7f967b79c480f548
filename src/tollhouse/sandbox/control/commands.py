"""Commands: what each takes and does, and the function that carries it out."""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tollhouse.sandbox.errors import invalid, parameter_missing, parameter_unknown
from tollhouse.sandbox.values import Obj, is_list, is_object

# Carries a command out from what it was told and its path's parameters by name: whole or not at all, unless it `waits`.
Function = Callable[..., Obj] | Callable[..., Awaitable[Obj]]
F = TypeVar("F", bound=Function)

NUMBER: Final = re.compile(r"[0-9]{1,18}\Z")
MODULES: Final = ("account", "time", "payments", "billing", "webhooks", "breaking")
CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": is_object,
    "list": is_list,
}


@dataclass(frozen=True, slots=True)
class Command:
    """One method on one path; `takes` names its fields with their types, a `?` behind those that may be left out."""

    method: str
    path: str
    does: str
    takes: Mapping[str, str]
    function: Callable[..., Any]
    is_open: bool = False  # its function checks the fields itself
    waits: bool = False  # its function is awaited, and sees to its own transactions

    def read(self, given: Obj) -> Obj:
        """Return what was told. Raises `StripeError` 400 that names the field that is wrong."""
        if self.is_open:
            return given
        unknown = given.keys() - self.takes.keys()
        if unknown:
            raise parameter_unknown(*sorted(unknown))
        for name, kind in self.takes.items():
            if self.method == "GET" and kind == "integer?" and NUMBER.match(given.get(name, "")):
                given[name] = int(given[name])  # a query has nothing but text
            self._check(name, kind, given.get(name))
        return {name: value for name, value in given.items() if value is not None}

    def _check(self, name: str, kind: str, value: Any) -> None:
        if value is None and not kind.endswith("?"):
            raise parameter_missing(name)
        if value is not None and not CHECKS[kind.rstrip("?")](value):
            raise invalid(f"Invalid {kind.rstrip('?')}: {value!r}", name)


_commands: dict[tuple[str, str], Command] = {}


def command(
    method: str, path: str, does: str, *, is_open: bool = False, waits: bool = False, **takes: str
) -> Callable[[F], F]:
    """Register what a method on a path below `/control` does; a function that `waits` is awaited."""

    def register(function: F) -> F:
        assert (method, path) not in _commands, (method, path)
        _commands[method, path] = Command(method, "/control" + path, does, takes, function, is_open, waits)
        return function

    return register


def load_commands() -> list[Command]:
    """Return all commands, by path."""
    for module in MODULES:
        importlib.import_module(f"{__package__}.{module}")
    return sorted(_commands.values(), key=lambda each: (each.path, each.method))
