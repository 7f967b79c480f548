"""Searches over objects, by the query language of docs.stripe.com/search.

A real search lags behind by up to a minute; this one does when a fault makes it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_limit
from tollhouse.sandbox.api.queries import Query, parse
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_object

WHOLE: Final = "whole"  # compared whole
PARTLY: Final = "partly"  # compared whole, or by a part of it
NUMBER: Final = "number"
# What can be searched by: how it is compared, and where it lies if not under its own name.
FIELDS: Final[dict[str, dict[str, str]]] = {
    "charge": {
        "amount": NUMBER,
        "billing_details.address.postal_code": WHOLE,
        "created": NUMBER,
        "currency": WHOLE,
        "customer": WHOLE,
        "disputed": WHOLE,
        "payment_method_details.": WHOLE,
        "refunded": WHOLE,
        "status": WHOLE,
    },
    "customer": {"created": NUMBER, "email": PARTLY, "name": PARTLY, "phone": PARTLY},
    "invoice": {
        "created": NUMBER,
        "currency": WHOLE,
        "customer": WHOLE,
        "last_finalization_error_code": WHOLE,
        "last_finalization_error_type": WHOLE,
        "number": WHOLE,
        "receipt_number": WHOLE,
        "status": WHOLE,
        "subscription": WHOLE,
        "total": NUMBER,
    },
    "payment_intent": {
        "amount": NUMBER,
        "created": NUMBER,
        "currency": WHOLE,
        "customer": WHOLE,
        "status": WHOLE,
    },
    "price": {"active": WHOLE, "currency": WHOLE, "lookup_key": PARTLY, "product": WHOLE, "type": WHOLE},
    "product": {
        "active": WHOLE,
        "created": NUMBER,
        "description": PARTLY,
        "name": PARTLY,
        "shippable": WHOLE,
        "url": PARTLY,
    },
    "subscription": {"canceled_at": NUMBER, "created": NUMBER, "status": WHOLE},
}
PLACES: Final = {
    ("invoice", "last_finalization_error_code"): "last_finalization_error.code",
    ("invoice", "last_finalization_error_type"): "last_finalization_error.type",
    ("invoice", "subscription"): "parent.subscription_details.subscription",
}


def search(world: World, kind: str, params: dict[str, Any], url: str) -> Page:
    """Return the page of objects of a kind that match `params["query"]`, newest first.

    With `limit` and `page`, the token of an earlier reply's `next_page`. Raises `StripeError` 400 for a query that
    cannot be read, for fields the kind is not searched by, and for a token of nothing.
    """
    query = parse(params["query"])
    _check(query, kind)
    limit, start = read_limit(params), _read_token(params.get("page") or "")
    lag = world.search_lag_seconds()
    known = [each for each in world.every(kind) if not lag or world.now_for(each) - each["created"] >= lag]
    found = [each for each in known if query.match(lambda name: _find(each, kind, name))]  # noqa: B023 (called at once)
    has_more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": has_more,
        "next_page": _make_token(start + limit) if has_more else None,
        "url": url,
        HIDDEN: {"total_count": len(found)},
    }


def _check(query: Query, kind: str) -> None:
    """Raise `StripeError` 400 unless all fields are searched by, and compared as they can be."""
    for clause in query.clauses:
        how = _find_comparison(kind, clause.field)
        if how is None:
            raise invalid(
                f"Field `{clause.field}` is an unsupported search field for resource `{kind}s`. See"
                f" http://stripe.com/docs/search#query-fields-for-{kind.replace('_', '-')}s for a list of supported"
                " fields.",
                "query",
            )
        if clause.operator == "~" and how != PARTLY:
            raise invalid(f"Field `{clause.field}` does not support substring matching with `~`.", "query")
        if clause.operator not in {":", "~"} and how != NUMBER:
            raise invalid(f"Field `{clause.field}` does not support the operator `{clause.operator}`.", "query")
        if how == NUMBER and clause.number is None and clause.value is not None:
            raise invalid(f"Field `{clause.field}` needs a number, not `{clause.value}`.", "query")


def _find_comparison(kind: str, field: str) -> str | None:
    if field.startswith("metadata."):
        return PARTLY
    fields = FIELDS[kind]
    return fields.get(field) or next(
        (how for name, how in fields.items() if name[-1] == "." and field.startswith(name)), None
    )


def _find(obj: Obj, kind: str, field: str) -> Any:
    """Return what an object has at a field, or None."""
    if field.startswith("metadata."):
        return obj["metadata"].get(field.removeprefix("metadata."))
    value: Any = obj
    for name in PLACES.get((kind, field), field).split("."):
        value = value.get(name) if is_object(value) else None
    return value


def _make_token(start: int) -> str:
    return base64.urlsafe_b64encode(f"from {start}".encode()).decode()


def _read_token(token: str) -> int:
    if not token:
        return 0
    try:
        word, _, start = base64.urlsafe_b64decode(token).decode().partition(" ")
    except (binascii.Error, ValueError):
        word, start = "", ""
    if word != "from" or not start.isdecimal():
        raise invalid("Invalid page token.", "page")
    return int(start)
