"""What can be changed of a Checkout session after it was created."""

from __future__ import annotations

from typing import Any

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.checkout import checkout_items, checkout_totals
from tollhouse.sandbox.resources.checkout.checkout_creation import offer_shipping
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj


def update(world: World, session: Obj, params: Params) -> Obj:
    """Return the session changed. Raises `StripeError` 400 if that takes an open one and it is not."""
    if set(params) - {"metadata"} and session["status"] != "open":
        raise invalid(
            "Only Checkout Sessions with a status of `open` can be updated. This Checkout Session has a status of"
            f" `{session['status']}`."
        )
    if "metadata" in params:
        session["metadata"] = merge_metadata(session["metadata"], params["metadata"])
    if "collected_information" in params:
        session["collected_information"] |= params["collected_information"]
    if "payment_intent_data" in params:
        _merge_intent_data(session, params["payment_intent_data"])
    if "line_items" in params:
        _replace_items(world, session, params["line_items"])
    if "shipping_options" in params:
        offer_shipping(world, session, params["shipping_options"] or ())
    if {"line_items", "shipping_options"} & set(params):
        checkout_totals.reckon(world, session)
        checkout_totals.check_amount(session)
    return world.save(session)


def _merge_intent_data(session: Obj, given: Params) -> None:
    if session["mode"] != "payment":
        raise invalid(f"You can not pass `payment_intent_data` in `{session['mode']}` mode.", "payment_intent_data")
    data: Obj = session[HIDDEN]["given"].setdefault("payment_intent_data", {})
    metadata = merge_metadata(data.get("metadata"), given.get("metadata"), "payment_intent_data[metadata]")
    data |= {name: each or None for name, each in given.items()} | {"metadata": metadata}


def _replace_items(world: World, session: Obj, given: list[Params]) -> None:
    """Keep the items that are named by their ids, with what changes of them; add the others, drop the rest."""
    if session["mode"] == "setup":
        raise invalid("You can not pass `line_items` in `setup` mode.", "line_items")
    known: dict[str, Obj] = {item["id"]: item for item in session[HIDDEN]["items"]}
    whole: list[Params] = []
    for place, params in enumerate(given):
        id = params.get("id")
        if id is not None and id not in known:
            raise invalid(f"No such line item: '{id}'", f"line_items[{place}][id]", "resource_missing")
        whole.append(_fill_up(params, known.get(id or "")))
    items = checkout_items.build(world, whole, session["mode"], session["currency"])
    for params, item in zip(given, items, strict=True):
        item["id"] = params.get("id", item["id"])
    session[HIDDEN]["items"] = items


def _fill_up(params: Params, item: Obj | None) -> Params:
    """Return what an item is built from: as it was, but for what is given."""
    given: dict[str, Any] = {name: each for name, each in params.items() if name != "id" and each != ""}
    if item is None:
        return given
    kept: dict[str, Any] = {"quantity": item["quantity"], "metadata": item["metadata"]}
    if "price_data" not in given:
        kept["price"] = item["price"]["id"]
    if item["adjustable_quantity"] is not None:
        kept["adjustable_quantity"] = item["adjustable_quantity"]
    return kept | given
