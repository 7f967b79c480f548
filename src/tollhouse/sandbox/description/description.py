"""Operations and objects, out of `openapi.json`; its origin and licence are in `NOTICE.md` beside it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

Schema = dict[str, Any]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
# Part of an object only when a request expands them, although they may be null.
ASKED_FOR: Final = {
    ("charge", "refunds"),
    ("customer", "cash_balance"),
    ("invoice", "confirmation_secret"),
    ("invoice", "payments"),
    ("checkout.session", "line_items"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    segments: tuple[str, ...]
    parameters: Schema  # an object's: the query of a GET or DELETE, the body of a POST
    result: Schema
    is_described: bool = True  # or it is one that only Stripe's own tools call, whose parameters nobody wrote down

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the path's parameters, or None for a path of another operation."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for own, given in zip(self.segments, segments, strict=True):
            if own.startswith("{"):
                found[own[1:-1]] = given
            elif own != given:
                return None
        return found


class Description:
    """What `openapi.json` says."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Index the operations; the objects are looked up when they are asked for."""
        self.document = document
        self.version: Final[str] = document["info"]["version"]
        self.schemas: Final[dict[str, Schema]] = document["components"]["schemas"]
        self.event_types: Final = frozenset[str](self.schemas["event"]["properties"]["type"]["enum"])
        self.operations: Final = tuple(
            _operation(method.upper(), path, told)
            for path, methods in document["paths"].items()
            for method, told in methods.items()
            if method != "parameters"
        )
        self._by_shape: dict[tuple[str, int], list[Operation]] = {}
        for each in self.operations:
            self._by_shape.setdefault((each.method, len(each.segments)), []).append(each)
        self._blanks: dict[str, Schema] = {}

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation with its path's parameters; a literal segment goes before a parameter."""
        segments = tuple(path.strip("/").split("/"))
        found = [
            (operation, parameters)
            for operation in self._by_shape.get((method, len(segments)), ())
            if (parameters := operation.match(segments)) is not None
        ]
        return min(found, key=lambda each: len(each[1]), default=None)

    def blank(self, kind: str) -> dict[str, Any]:
        """Return a new object of this kind with every field Stripe would send: null, empty or zero."""
        if kind not in self._blanks:
            self._blanks[kind] = self._blank_object(self.schemas[kind], kind)
        copied: dict[str, Any] = json.loads(json.dumps(self._blanks[kind]))
        return copied

    def resolve(self, schema: Schema) -> Schema:
        """Return what a schema stands for, when it is a reference."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _blank_object(self, schema: Schema, kind: str = "") -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self._blank(each)
            for name, each in schema.get("properties", {}).items()
            if name in required or (is_nullable(each) and (kind, name) not in ASKED_FOR)
        }

    def _blank(self, schema: Schema) -> Any:
        if is_nullable(schema):
            return None
        schema = self.resolve(schema)
        for alternative in schema.get("anyOf", ())[:1]:
            return self._blank(alternative)
        if len(schema.get("enum", ())) == 1:
            return schema["enum"][0]
        if schema.get("type") == "object":
            return self._blank_object(schema)
        empty: Schema = {"array": [], "integer": 0, "number": 0, "boolean": False}
        return empty.get(schema.get("type", ""), "")


def is_nullable(schema: Schema) -> bool:
    """Say whether null is among the values."""
    kind = schema.get("type")
    return (
        (isinstance(kind, list) and "null" in kind) or any(map(is_nullable, schema.get("anyOf", ()))) or kind == "null"
    )


def _operation(method: str, path: str, told: dict[str, Any]) -> Operation:
    query = [each for each in told.get("parameters", ()) if each["in"] == "query"]
    parameters: Schema = {
        "type": "object",
        "properties": {each["name"]: each["schema"] for each in query},
        "required": [each["name"] for each in query if each.get("required")],
        "additionalProperties": False,
    }
    if "requestBody" in told:
        parameters = told["requestBody"]["content"][FORM]["schema"]
    result = told["responses"]["200"]["content"][JSON]["schema"]
    return Operation(method, path, tuple(path.strip("/").split("/")), parameters, result)


@functools.cache
def load() -> Description:
    """Return the description that comes with the package; it is read once."""
    text = resources.files(__package__ or "").joinpath("openapi.json").read_text(encoding="utf-8")
    return Description(json.loads(text))
