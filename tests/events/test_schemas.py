"""The schemas take every event as the guide shows it, and nothing that is like one."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import jsonschema_rs
import pytest

from tests.docs.documents import documented_events
from tollhouse.clock import Clock
from tollhouse.events import schemas
from tollhouse.events.outbox import EVENT_TYPES
from tollhouse.signing.tokens import create_id

ONE_TIME = {"purchase_id", "subscription_id"}
NULLABLE = {
    "checkout.completed": {"subscription_id"},
    "checkout.expired": {"subscription_id"},
    "payment.succeeded": {*ONE_TIME, "product", "price"},
    "payment.failed": {*ONE_TIME, "invoice_id", "reason"},
    "payment.refunded": ONE_TIME,
    "payment.disputed": ONE_TIME,
    "subscription.updated": {"product", "price", "cancel_at", "trial_end", "ended_at"},
    "subscription.ended": {"product", "price", "cancel_at", "trial_end", "ended_at"},
    "credits.granted": {"reference"},
    "credits.spent": {"reference"},
}
# By the type that the guide shows. Whatever it shows as null is a string when there is one.
WRONG: dict[type, list[Any]] = {
    str: [7, True, [], {}],
    type(None): [7, True, [], {}],
    int: ["7", 0.5, True, []],
    bool: [1, "true", []],
    dict: ["7", 7, []],
}
each_type = pytest.mark.parametrize("kind", sorted(EVENT_TYPES))


@functools.cache
def whole() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schemas.document(is_strict=True))


@functools.cache
def alone(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schemas.schema_of(kind, is_strict=True))


def takes(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether it is taken as this type; the document and the type's own schema never differ over it."""
    assert whole().is_valid(body) == alone(kind).is_valid(body)
    return alone(kind).is_valid(body)


def example(kind: str, **facts: Any) -> dict[str, Any]:
    body = deepcopy(documented_example(kind))
    body["data"] |= facts
    return body


@functools.cache
def documented_example(kind: str) -> dict[str, Any]:
    return documented_events()[kind]


def fields(kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """For every field: a body of its own, the object in it that has the field, and its name."""
    for name in documented_example(kind):
        body = example(kind)
        yield body, body, name
    for name in documented_example(kind)["data"]:
        body = example(kind)
        yield body, body["data"], name


def test_every_type_has_a_schema_and_nothing_else_has() -> None:
    document = schemas.document(is_strict=True)
    jsonschema_rs.meta.validate(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(document["$defs"]) == EVENT_TYPES
    assert {each["$ref"] for each in document["oneOf"]} == {f"#/$defs/{kind}" for kind in EVENT_TYPES}
    assert len(document["oneOf"]) == len(EVENT_TYPES)
    with pytest.raises(KeyError):
        schemas.schema_of("user.promoted")


@each_type
def test_a_schema_stands_by_itself_and_explains_every_field(kind: str) -> None:
    schema = schemas.schema_of(kind, is_strict=True)
    jsonschema_rs.meta.validate(schema)
    assert {"$schema": schema.pop("$schema")} | schema == {
        "$schema": schemas.DIALECT,
        **schemas.document(is_strict=True)["$defs"][kind],
    }
    data = schema["properties"]["data"]["properties"]
    assert len(schema["description"]) > 10
    for name, field in ({**schema["properties"], **data}).items():
        assert name == "data" or len(field["description"]) > 3, name
        assert "default" not in field, name


@each_type
def test_the_guides_example_is_taken_as_its_own_type_only(kind: str) -> None:
    assert takes(kind, example(kind))
    assert [other for other in sorted(EVENT_TYPES) if alone(other).is_valid(example(kind))] == [kind]
    assert not takes(kind, example(kind) | {"type": "user.promoted"})


@each_type
def test_a_field_more_is_refused(kind: str) -> None:
    assert not takes(kind, example(kind) | {"user_id": example(kind)["data"]["user_id"]})
    assert not takes(kind, example(kind, livemode=True))


@each_type
def test_a_field_less_is_refused(kind: str) -> None:
    for body, holder, name in fields(kind):
        del holder[name]
        assert not takes(kind, body), name


@each_type
def test_a_wrong_type_is_refused(kind: str) -> None:
    for body, holder, name in fields(kind):
        for wrong in WRONG[type(holder[name])]:
            holder[name] = wrong
            assert not takes(kind, body), (name, wrong)


@each_type
def test_null_is_taken_only_where_there_may_be_nothing(kind: str) -> None:
    nullable = set[str]()
    for body, holder, name in fields(kind):
        holder[name] = None
        if takes(kind, body):
            nullable.add(name)
    assert nullable == NULLABLE.get(kind, set())


@pytest.mark.parametrize("kind", ["user.created", "user.signed_in"])
def test_an_address_may_come_with_a_user(kind: str) -> None:
    assert takes(kind, example(kind, email="alice@example.com"))
    assert not takes(kind, example(kind, email=None))


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES - {"user.created", "user.signed_in"}))
def test_an_address_comes_with_nothing_else(kind: str) -> None:
    assert not takes(kind, example(kind, email="alice@example.com"))


@pytest.mark.parametrize(
    ("kind", "name", "prefix"),
    [
        ("user.signed_in", "id", "out"),
        ("user.signed_in", "user_id", "usr"),
        ("user.signed_in", "session_id", "ses"),
        ("checkout.completed", "purchase_id", "pur"),
        ("credits.spent", "entry_id", "ent"),
    ],
)
def test_an_id_is_one_that_we_make(kind: str, name: str, prefix: str) -> None:
    body = example(kind)
    holder = body if name in body else body["data"]
    holder[name] = made = create_id(prefix, Clock().now_us())
    assert takes(kind, body)
    for wrong in (made[:-1], made + "0", made + "\n", " " + made, made.upper(), made[4:], f"key_{made[4:]}", ""):
        holder[name] = wrong
        assert not takes(kind, body), wrong


def test_a_time_is_in_utc_and_as_exact_as_it_is_said_to_be() -> None:
    exact, second = "2026-01-01T12:00:00.000001Z", "2026-01-01T12:00:00Z"
    kind = "subscription.ended"
    assert takes(kind, example(kind) | {"created_at": exact})
    assert takes(kind, example(kind, ended_at=second))
    for wrong in (second, exact[:-1], f"{exact[:-1]}+00:00", exact[:-2] + "Z", exact.replace("T", " "), exact + "\n"):
        assert not takes(kind, example(kind) | {"created_at": wrong}), wrong
    for wrong in (exact, second[:-1], f"{second[:-1]}+00:00", "2026-01-01", ""):
        assert not takes(kind, example(kind, ended_at=wrong)), wrong


def test_a_number_is_one_that_there_can_be() -> None:
    assert not takes("user.created", example("user.created") | {"sequence": 0})
    least = {
        "checkout.completed": {"quantity": 1},
        "payment.succeeded": {"amount_minor": 0, "credits": 0},
        "payment.refunded": {"amount_minor": 0, "reversed_minor": 0, "reversed_credits": 0},
        "subscription.updated": {"quantity": 0},
        "credits.granted": {"credits": 1},
        "credits.low": {"below": 1},
    }
    for kind, numbers in least.items():
        for name, number in numbers.items():
            assert takes(kind, example(kind, **{name: number})), (kind, name)
            assert not takes(kind, example(kind, **{name: number - 1})), (kind, name)
    assert takes("credits.spent", example("credits.spent", balance=-30)), "a debt"


def test_words_of_ours_are_known_and_words_of_stripes_are_not() -> None:
    kind = "checkout.completed"
    assert takes(kind, example(kind, mode="subscription"))
    assert not takes(kind, example(kind, mode="setup"))
    assert not takes(kind, example(kind, product="Credits!"))
    assert takes("subscription.updated", example("subscription.updated", status="a_new_word"))
    assert takes("payment.failed", example("payment.failed", reason="a_new_word"))


def test_the_published_schema_lets_a_later_release_add_fields() -> None:
    for kind, example in documented_events().items():
        more = example | {"new": 1, "data": example["data"] | {"newer": 2}}
        jsonschema_rs.Draft202012Validator(schemas.document()).validate(more)
        jsonschema_rs.Draft202012Validator(schemas.schema_of(kind)).validate(more)
