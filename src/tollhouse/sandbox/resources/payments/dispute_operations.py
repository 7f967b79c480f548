"""The operations on disputes. Source: docs.stripe.com/api/disputes."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.payments import disputes
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/disputes"

readable(disputes.KIND, PATH, filters=("charge", "payment_intent"))


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change metadata or evidence; evidence goes to the bank at once unless `submit` is false."""
    dispute = world.get(disputes.KIND, id)
    changes: Obj = {}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    if "intended_submission_method" in params:
        changes["intended_submission_method"] = params["intended_submission_method"]
    is_submitted = params.get("submit", "evidence" in params)
    if "evidence" in params or is_submitted:
        changes |= _change_evidence(dispute, params.get("evidence", {}))
    if is_submitted:
        world.change(dispute, changes)
        return disputes.submit(world, dispute)
    return world.change(dispute, changes, "charge.dispute.updated")


@operation("POST", PATH + "/{id}/close")
def close(world: World, params: Params, /, *, id: str) -> Obj:
    """Give a dispute up: it is lost."""
    dispute = world.get(disputes.KIND, id)
    return disputes.close(world, dispute, won=False)


def _change_evidence(dispute: Obj, given: Obj) -> Obj:
    """Return evidence with what is known of it. Raises `StripeError` 400 once it was handed in."""
    disputes.check_open(dispute)
    if dispute["status"] not in disputes.ANSWERABLE:
        raise invalid("This dispute is under review: its evidence was submitted and cannot be changed any more.")
    evidence: Obj = {**dispute["evidence"], **{name: value or None for name, value in given.items()}}
    evidence["enhanced_evidence"] = evidence["enhanced_evidence"] or {}
    has_evidence = any(evidence.values())
    return {"evidence": evidence, "evidence_details": {**dispute["evidence_details"], "has_evidence": has_evidence}}
