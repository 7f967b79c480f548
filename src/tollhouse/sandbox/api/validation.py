"""Replies held against the description, for tests: needs the package `jsonschema-rs`."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from tollhouse.sandbox.description import Description, Operation

# Checks take longer to make than to use: what one sandbox of a test run has made serves the next.
_made: Final[WeakKeyDictionary[Description, dict[tuple[str, str], Any]]] = WeakKeyDictionary()


class ReplyCheck:
    """Raises `AssertionError` for a reply that departs from what the description says of its operation."""

    def __init__(self, description: Description) -> None:
        """Compile nothing yet: each operation's check is made when it is first answered."""
        import jsonschema_rs

        self._make = jsonschema_rs.Draft202012Validator
        self._components = description.document["components"]
        self._validators = _made.setdefault(description, {})

    def __call__(self, operation: Operation, body: dict[str, Any]) -> None:
        """Check one body."""
        key = (operation.method, operation.path)
        if key not in self._validators:
            self._validators[key] = self._make(operation.result | {"components": self._components})
        faults = [
            f"{'/'.join(map(str, each.instance_path))}: {each.message}"
            for each in self._validators[key].iter_errors(body)
        ]
        assert not faults, f"{operation.method} {operation.path} replied with {faults[:5]}"
