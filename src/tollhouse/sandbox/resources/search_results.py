"""What can be asked for of a search result."""

from __future__ import annotations

from tollhouse.sandbox.resources.registry import includable
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj


@includable("search_result", "total_count")
def total_count(world: World, page: Obj) -> int:
    """How many objects match, on all pages."""
    return page[HIDDEN]["total_count"]
