"""Lists with cursors. Source: docs.stripe.com/api/pagination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

Page = dict[str, Any]  # a list object: `{"object": "list", "data", "has_more", "url"}`
LIMIT_USUAL: Final = 10
LIMIT_MAX: Final = 100
COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def make_list(data: Sequence[Obj], url: str, *, has_more: bool = False) -> Page:
    """Return a list object."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def read_page(
    world: World,
    kind: str,
    params: dict[str, Any],
    url: str,
    /,
    *,
    where: Callable[[Obj], bool] | None = None,
    **equal: Any,
) -> Page:
    """Return the page of a kind that the parameters ask for: newest first, by cursor, `created` and equal fields."""
    created = params.get("created")

    def fits(obj: Obj) -> bool:
        return not obj.get("deleted") and in_range(obj.get("created", 0), created) and (where is None or where(obj))

    after, before = _cursor(world, kind, params, "starting_after"), _cursor(world, kind, params, "ending_before")
    limit = read_limit(params)
    objs = world.store.each(kind, before=after, after=before, oldest_first=bool(before), **equal)
    # One more than asked for tells whether there are more; what lies behind it is not read.
    found = list(islice((obj for obj in objs if fits(obj)), limit + 1))
    page = found[:limit][::-1] if before else found[:limit]
    return make_list(page, url, has_more=len(found) > limit)


def cut_page(world: World, items: Sequence[Obj], params: dict[str, Any], url: str) -> Page:
    """Return the page the parameters ask for out of a sequence that is in its order already."""
    limit = read_limit(params)
    places = {item["id"]: place for place, item in enumerate(items)}
    after, before = params.get("starting_after"), params.get("ending_before")
    for cursor in (after, before):
        if cursor and cursor not in places:
            raise invalid(f"No such object: '{cursor}'", "starting_after" if cursor == after else "ending_before")
    rest = items[: places[before]] if before else items[places[after] + 1 :] if after else items
    page = rest[-limit:] if before else rest[:limit]
    return make_list(page, url, has_more=len(rest) > limit)


def read_limit(params: dict[str, Any]) -> int:
    """Return how many objects a page has. Raises `StripeError` 400 unless 1 to 100."""
    limit: int = params.get("limit", LIMIT_USUAL)
    if limit > LIMIT_MAX:
        raise invalid(f"This value must be less than or equal to {LIMIT_MAX}.", "limit", "parameter_invalid_integer")
    if limit < 1:
        raise invalid("This value must be greater than or equal to 1.", "limit", "parameter_invalid_integer")
    return limit


def in_range(value: int, wanted: Any) -> bool:
    """Say whether a time is the one wanted, or within `{"gt", "gte", "lt", "lte"}`."""
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return value == wanted
    return all(COMPARISONS[name](value, bound) for name, bound in wanted.items())


def _cursor(world: World, kind: str, params: dict[str, Any], name: str) -> str:
    id: str = params.get(name, "")
    if id:
        if "starting_after" in params and "ending_before" in params:
            raise invalid("You may only specify one of these parameters: ending_before, starting_after.", name)
        world.get(kind, id, param=name)
    return id
