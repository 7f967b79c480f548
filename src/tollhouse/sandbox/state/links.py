"""What objects are looked up by, and the queries that do."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.values import Obj

HIDDEN: Final = "_"  # the field for what Stripe keeps to itself; no reply and no event has it
# What objects are looked up by; other fields are compared one object after the other.
LINKED: Final = (
    "customer",
    "payment_intent",
    "charge",
    "invoice",
    "subscription",
    "product",
    "price",
    "coupon",
    "lookup_key",
    "code",
    "email",
    "feature",
    "source",
    "test_clock",
    "type",
    "status",
    "event",
    "endpoint",
)
# What lies in an object's hidden fields and is looked up by all the same.
LINKED_HIDDEN: Final = ("subscription", "queue")
ALL_LINKED: Final = frozenset((*LINKED, *LINKED_HIDDEN))


def links_of(obj: Obj) -> list[tuple[str, str]]:
    """Return the fields that an object is looked up by, with their values."""
    hidden: Obj = obj.get(HIDDEN) or {}
    values = [(name, obj.get(name)) for name in LINKED]
    values += [(name, hidden.get(name)) for name in LINKED_HIDDEN if name not in obj]
    return [(name, value) for name, value in values if isinstance(value, str)]


def select(
    kind: str, linked: list[tuple[str, str]], before: str, after: str, *, oldest_first: bool
) -> tuple[str, list[Any]]:
    """Return the query over the first link, the others looked up beside it, or over the whole kind."""
    values: list[Any] = []
    tables, conditions, place = ["objects o"], ["o.kind = ?"], "o.seq"
    if linked:
        tables, place = [f"links l{number}" for number in range(len(linked))] + tables, "l0.seq"
        conditions.append("o.seq = l0.seq")
    values.append(kind)
    for number, (name, value) in enumerate(linked):
        conditions.append(f"l{number}.kind = ? AND l{number}.field = ? AND l{number}.value = ?")
        values += [kind, name, value]
        if number:
            conditions.append(f"l{number}.seq = l0.seq")
    for sign, id in (("<", before), (">", after)):
        if id:
            conditions.append(f"{place} {sign} (SELECT seq FROM objects WHERE id = ? AND kind = ?)")  # noqa: S608 (our own signs)
            values += [id, kind]
    order = place if oldest_first else f"{place} DESC"
    # A CROSS JOIN keeps this order of the tables, so that rows come sorted as they are found.
    return f"SELECT o.body FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(conditions)} ORDER BY {order}", values  # noqa: S608 (our own)
