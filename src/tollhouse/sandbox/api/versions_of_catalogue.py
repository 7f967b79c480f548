"""How earlier versions showed coupons as they are applied, and products."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.versions_changes import Change, find, hidden, rename
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj


def _embed_coupon(shown: Obj, world: World) -> None:
    """Put the whole coupon where its id is named within `source` or `promotion`."""
    for name in ("source", "promotion"):
        if name in shown:
            named: Any = shown.pop(name)["coupon"]
            shown["coupon"] = find(world, "coupon", named) or hidden(shown, "coupon")


CHANGES: Final = (
    Change("2025-09-30", "discount", _embed_coupon),
    Change("2025-09-30", "promotion_code", _embed_coupon),
    Change("2024-04-10", "product", rename("features", "marketing_features")),
)
