"""One change between versions of the API, played back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_object


@dataclass(frozen=True, slots=True)
class Change:
    """What came with a version, and how to take it back.

    `apply` gets a copy of an object that it may write to, not into its parts. It may be a part of an object itself, the
    one that an event tells of what was before: fields that are not there are left alone.
    """

    date: str
    kind: str
    apply: Callable[[Obj, World], None]


def is_whole(shown: Obj) -> bool:
    """Say whether this is a whole object, to which fields can be added."""
    return "id" in shown


def hidden(shown: Obj, name: str) -> Any:
    """Return a fact that the object keeps to itself, or None."""
    return shown.get(HIDDEN, {}).get(name)


def rename(old: str, new: str) -> Callable[[Obj, World], None]:
    """Return what gives a field its older name back."""

    def apply(shown: Obj, world: World) -> None:
        if new in shown:
            shown[old] = shown.pop(new)

    return apply


def forget(*names: str) -> Callable[[Obj, World], None]:
    """Return what takes fields away."""

    def apply(shown: Obj, world: World) -> None:
        for name in names:
            shown.pop(name, None)

    return apply


def find(world: World, kind: str, named: Any) -> Obj | None:
    """Return the object that an id names, or that is embedded already."""
    return named if is_object(named) else world.find(kind, named)
