"""Which function answers which operation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import Earlier
from tollhouse.sandbox.description import Operation, Schema
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

Params = dict[str, Any]
Includable = Callable[[World, Obj], Any]


# Answers an operation from its checked parameters, and those of its path by name: an object, or a page of them.
Handler = Callable[..., Obj]

_handlers: dict[tuple[str, str], Handler] = {}
_includables: dict[tuple[str, str], Includable] = {}
_undescribed: list[Operation] = []
# Parameters of earlier API versions, by operation: an account that names no version may still send them.
_earlier: dict[tuple[str, str], Mapping[str, Earlier]] = {}


def operation(
    method: str, path: str, *, earlier: Mapping[str, Earlier] | tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    """Register what answers this method on this path, named as in the description.

    `earlier` names parameters that earlier API versions had: texts, unless it says what else they were.
    """

    def register(handler: Handler) -> Handler:
        assert (method, path) not in _handlers, (method, path)
        _handlers[method, path] = handler
        _earlier[method, path] = earlier if isinstance(earlier, Mapping) else dict.fromkeys(earlier, Earlier())
        return handler

    return register


def undescribed(method: str, path: str, **takes: Schema) -> Callable[[Handler], Handler]:
    """Register an operation outside the description, such as those that the Stripe CLI alone calls.

    Of its parameters those that it `takes` are checked; the others come as they were sent. Its reply is not checked.
    """

    def register(handler: Handler) -> Handler:
        _undescribed.append(Operation(method, path, tuple(path.strip("/").split("/")), takes, {}, is_described=False))
        return operation(method, path)(handler)

    return register


def includable(kind: str, field: str) -> Callable[[Includable], Includable]:
    """Register how to make a field that an object has only when a request expands it."""

    def register(function: Includable) -> Includable:
        assert (kind, field) not in _includables, (kind, field)
        _includables[kind, field] = function
        return function

    return register


def readable(kind: str, path: str, *, filters: tuple[str, ...] = (), listed: bool = True) -> None:
    """Register the two operations that all resources share: retrieve one, list them by equal fields."""

    @operation("GET", path + "/{id}")
    def retrieve(world: World, params: Params, /, **names: str) -> Obj:
        return world.get(kind, names["id"])

    if listed:

        @operation("GET", path)
        def index(world: World, params: Params, /, **names: str) -> Page:
            return read_page(world, kind, params, path, **{name: params[name] for name in filters if name in params})


def find_handler(method: str, path: str) -> Handler | None:
    """Return what answers an operation, or None."""
    return _handlers.get((method, path))


def find_undescribed(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Return the operation outside the description with its path's parameters, or None."""
    segments = tuple(path.strip("/").split("/"))
    for each in _undescribed:
        if each.method == method and (names := each.match(segments)) is not None:
            return each, names
    return None


def handlers() -> Mapping[tuple[str, str], Handler]:
    """Return all of them."""
    return _handlers


def earlier_parameters(method: str, path: str) -> Mapping[str, Earlier]:
    """Return the parameters an operation had in earlier API versions."""
    return _earlier.get((method, path), {})


def known_parameters() -> dict[tuple[str, str], list[str]]:
    """Return by operation the parameters that the description does not have."""
    known = {key: [*names] for key, names in _earlier.items()}
    return known | {(each.method, each.path): [*each.parameters, "expand"] for each in _undescribed}


def find_includable(kind: str, field: str) -> Includable | None:
    """Return how to make a field that is there only when it is asked for, or None."""
    return _includables.get((kind, field))


def load() -> None:
    """Import every module of this package and of those in it, so that their operations are registered."""
    package: Final = __package__ or ""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)
