"""How earlier versions showed payments and Checkout Sessions."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import make_list
from tollhouse.sandbox.api.versions_changes import Change, find, forget, hidden, is_whole
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

UI_MODES: Final = {"hosted_page": "hosted", "embedded_page": "embedded", "elements": "custom", "form": "custom"}


def _name_ui_mode(shown: Obj, world: World) -> None:
    if "ui_mode" in shown:
        shown["ui_mode"] = UI_MODES.get(shown["ui_mode"], shown["ui_mode"])


def _move_shipping(shown: Obj, world: World) -> None:
    """Give a session its `shipping_details`, which were moved into `collected_information`."""
    if "collected_information" in shown:
        collected: Obj = shown.pop("collected_information") or {}
        shown["shipping_details"] = collected.get("shipping_details")


def _add_unwritten(shown: Obj, world: World) -> None:
    """Add fields of a charge that no reference has named for years, and that were sent all the same."""
    if is_whole(shown):
        disputes = world.every("dispute", charge=shown["id"]) if shown.get("disputed") else []
        shown |= {"destination": None, "dispute": disputes[0]["id"] if disputes else None, "order": None}


def _name_invoice_of_charge(shown: Obj, world: World) -> None:
    if is_whole(shown):
        intent = find(world, "payment_intent", shown.get("payment_intent"))
        stored = world.find("payment_intent", intent["id"]) if intent else None
        shown["invoice"] = hidden(stored or {}, "invoice")


def _name_invoice_of_intent(shown: Obj, world: World) -> None:
    if is_whole(shown):
        stored = world.find("payment_intent", shown["id"]) or shown
        shown["invoice"] = hidden(stored, "invoice")


def _embed_charges(shown: Obj, world: World) -> None:
    if is_whole(shown):
        charges = world.every("charge", payment_intent=shown["id"])
        shown["charges"] = make_list(charges, f"/v1/charges?payment_intent={shown['id']}") | {
            "total_count": len(charges)
        }
    shown.pop("latest_charge", None)


def _embed_refunds(shown: Obj, world: World) -> None:
    if is_whole(shown):
        refunds = world.every("refund", charge=shown["id"])
        shown["refunds"] = make_list(refunds, f"/v1/charges/{shown['id']}/refunds") | {"total_count": len(refunds)}


CHANGES: Final = (
    *(
        Change("2026-10-28", kind, forget("allowed_payment_method_types"))
        for kind in ("checkout.session", "payment_intent", "setup_intent")
    ),
    Change("2026-10-28", "charge", _add_unwritten),
    Change("2026-03-25", "checkout.session", _name_ui_mode),
    Change("2025-03-31", "checkout.session", _move_shipping),
    Change("2025-03-31", "charge", _name_invoice_of_charge),
    Change("2025-03-31", "payment_intent", _name_invoice_of_intent),
    Change("2022-11-15", "payment_intent", _embed_charges),
    Change("2022-11-15", "charge", _embed_refunds),
)
