"""Mandates: a customer's leave to debit an account. Source: docs.stripe.com/api/mandates."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

KIND: Final = "mandate"


def grant(world: World, method: Obj, mandate_data: Obj | None = None) -> Obj:
    """Return the mandate of a payment method, a new one unless it was granted before."""
    found = world.find(KIND, method[HIDDEN].get("mandate"))
    if found is not None:
        return found
    usual: Obj = {"type": "offline", "offline": {}}
    acceptance: Obj = {"accepted_at": world.now(), **((mandate_data or {}).get("customer_acceptance") or usual)}
    mandate = world.new(KIND)
    kind: str = method["type"]
    mandate |= {"customer_acceptance": acceptance, "livemode": False, "multi_use": {}, "payment_method": method["id"]}
    mandate |= {"payment_method_details": {"type": kind, kind: {}}, "status": "active", "type": "multi_use"}
    if kind == "sepa_debit":
        reference = mandate["id"].removeprefix("mandate_")[:16].upper()
        mandate["payment_method_details"][kind] = {
            "reference": reference,
            "url": f"{world.url}/mandates/{mandate['id']}",
        }
    world.change(method, {HIDDEN: {**method[HIDDEN], "mandate": mandate["id"]}})
    return world.save(mandate)


@undescribed("GET", "/v1/mandates/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a mandate."""
    return world.get(KIND, id)
