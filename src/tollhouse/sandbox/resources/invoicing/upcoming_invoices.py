"""Invoices to come as versions of the API before basil ask for them; later ones have the preview alone.

Source: docs.stripe.com/changelog/basil/2025-03-31/invoice-preview-api-deprecations.
"""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, cut_page
from tollhouse.sandbox.api.parameters import check
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.invoicing import invoice_lines, invoice_previews
from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/v1/invoices/upcoming"
GONE_SINCE: Final = "2025-03-31"
# What of a subscription had a name of its own, and lies in `subscription_details` now.
DETAILS: Final = (
    "billing_cycle_anchor", "cancel_at", "cancel_at_period_end", "cancel_now", "default_tax_rates", "items",
    "proration_behavior", "proration_date", "resume_at", "start_date", "trial_end",
)  # fmt: skip
PAGING: Final = ("ending_before", "limit", "starting_after")
PAGING_SCHEMA: Final[Obj] = {
    "properties": {name: {"type": "integer" if name == "limit" else "string"} for name in PAGING}
}
# What an invoice without an id is not given when it is shown in its older form.
UNPAID: Final[Obj] = {
    "application_fee_amount": None, "charge": None, "paid_out_of_band": False, "payment_intent": None, "quote": None,
    "transfer_data": None,
}  # fmt: skip


@undescribed("GET", PATH)
def retrieve(world: World, params: Params, /) -> Obj:
    """Return the next invoice; it has no id, since it is not drawn up yet. Raises `StripeError` 404 since basil."""
    told = _preview(world, params)
    del told["id"]
    return told | UNPAID


@undescribed("GET", PATH + "/lines")
def list_lines(world: World, params: Params, /) -> Page:
    """List the lines of the next invoice."""
    told = _preview(world, {name: value for name, value in params.items() if name not in PAGING})
    paging = check(PAGING_SCHEMA, {name: params[name] for name in PAGING if name in params})
    return cut_page(world, invoice_lines.read(told), paging, PATH + "/lines")


def _preview(world: World, params: Params) -> Obj:
    if world.version is None or world.version >= GONE_SINCE:
        raise StripeError(
            f"Unrecognized request URL (GET: {PATH}): API versions since {GONE_SINCE}.basil have POST"
            f" {invoice_previews.PATH} in its place.",
            status=404,
        )
    found = world.description.find("POST", invoice_previews.PATH)
    assert found is not None, "the preview is described"
    return invoice_previews.create(world, check(found[0].parameters, _rename(params)))


def _rename(params: Params) -> Params:
    """Return the parameters by the names that the preview has for them."""
    older = {f"subscription_{name}": name for name in DETAILS}
    renamed: Params = {name: value for name, value in params.items() if name not in {*older, "coupon"}}
    details: dict[str, Any] = {older[name]: value for name, value in params.items() if name in older}
    if details:
        renamed["subscription_details"] = {**part(params.get("subscription_details")), **details}
    if params.get("coupon"):
        renamed["discounts"] = [{"coupon": params["coupon"]}]
    return renamed
