"""A JSON Schema for every type of event, as an endpoint gets it.

Import this only where a schema is asked for: its models take a while to build, and sending an event needs none.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tollhouse.events.schemas_data import DATA, EventId, ExactTime, Structure

DIALECT: Final = GenerateJsonSchema.schema_dialect  # draft 2020-12


class _Body(Structure):
    """What every type has around its data."""

    id: EventId = Field(description="The same each time it is sent: take it once.")
    type: str = Field(description="What happened.")
    sequence: int = Field(ge=1, description="Counts the events of a user from 1.")
    created_at: ExactTime = Field(description="When it happened, in UTC, to the microsecond.")
    data: dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Leaves out titles that only repeat a name, and the default of a field that may be missing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def document(*, is_strict: bool = False) -> dict[str, Any]:
    """Return one schema for whatever an endpoint gets; `$defs` has each type's under its name.

    A later release may add fields, so only a strict one, for tests of ours, refuses what it does not name. It is made
    anew, which takes milliseconds: whoever serves it keeps what it comes to.
    """
    return {
        "$schema": DIALECT,
        "title": "Events of Tollhouse",
        "description": "The body that an endpoint gets: one of these, told apart by `type`.",
        "oneOf": [{"$ref": f"#/$defs/{event_type}"} for event_type in DATA],
        "$defs": {event_type: _schema(event_type, is_strict=is_strict) for event_type in DATA},
    }


def schema_of(event_type: str, *, is_strict: bool = False) -> dict[str, Any]:
    """Return the schema of one type's body, which stands by itself; raise `KeyError` for what is no type."""
    return {"$schema": DIALECT} | _schema(event_type, is_strict=is_strict)


def _schema(event_type: str, *, is_strict: bool) -> dict[str, Any]:
    data = DATA[event_type].model_json_schema(schema_generator=_Generator)
    body = _Body.model_json_schema(schema_generator=_Generator)
    body["properties"]["type"] |= {"const": event_type}
    body["properties"]["data"] = data
    if not is_strict:
        del body["additionalProperties"], data["additionalProperties"]
    return body | {"title": event_type, "description": data.pop("description")}
