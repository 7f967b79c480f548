"""What is typed into the pages' forms, at its worst."""

from __future__ import annotations

import pytest

from .shop import Shop

LONG = "x" * 501


@pytest.mark.parametrize("typed", ["000000005" + "0" * 5_000, "5" * 400, "٣", "²", "-1", "1e1", "100"])
async def test_a_quantity_is_a_small_number(shop: Shop, typed: str) -> None:
    price = await shop.price()
    item = {"price": price["id"], "quantity": 1, "adjustable_quantity": {"enabled": True}}
    session = await shop.session(mode="payment", line_items=[item])
    name = f"quantity_{(await shop.read(session, 'line_items'))['line_items']['data'][0]['id']}"
    reply = await shop.pay(session, **{name: typed})
    assert reply.status_code == 422
    assert (await shop.read(session))["status"] == "open"
    assert (await shop.pay(session, **{name: "5"})).status_code == 303
    assert (await shop.read(session))["amount_total"] == 7500


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("cvc", "²²²"),
        ("cvc", "١٢٣"),
        ("cvc", "1" * 5_000),
        ("expiry", "١٢ / ٣٤"),
        ("number", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"),
        ("number", "4" * 5_000),
        ("name", LONG),
        ("name", "Ali\0ce"),
        ("line1", LONG),
        ("email", LONG + "@example.com"),
    ],
)
async def test_a_field_out_of_its_bounds_is_named(shop: Shop, field: str, typed: str) -> None:
    session = await shop.session(await shop.price())
    reply = await shop.pay(session, **{field: typed})
    assert reply.status_code == 422
    assert "Something is missing or wrong" in reply.text
    assert (await shop.read(session))["status"] == "open"


async def test_a_field_may_be_as_long_as_its_bound(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    assert (await shop.pay(session, name="x" * 500)).status_code == 303


@pytest.mark.parametrize(
    ("kind", "value", "is_taken"),
    [("gb_vat", "GB123456789", True), ("xx_vat", "GB123456789", False), ("eu_vat", "nonsense", False)],
)
async def test_a_tax_number_is_of_a_known_kind(shop: Shop, kind: str, value: str, is_taken: bool) -> None:
    session = await shop.session(await shop.price(), tax_id_collection={"enabled": True})
    reply = await shop.pay(session, tax_id=value, tax_id_type=kind)
    assert reply.status_code == (303 if is_taken else 422), reply.text
    assert ("tax_id-error" in reply.text) is not is_taken
    taken = [{"type": kind, "value": value}] if is_taken else []
    assert ((await shop.read(session))["customer_details"] or {}).get("tax_ids", []) == taken


async def test_the_control_api_takes_known_kinds_of_tax_numbers_alone(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    path = f"/control/checkout/sessions/{session['id']}/pay"
    told = {"details": {"tax_ids": [{"type": "xx_vat", "value": "GB123456789"}]}}
    reply = await shop.api.post(path, json=told)
    assert reply.status_code == 400, reply.text
    assert reply.json()["param"] == "details[tax_ids]"


@pytest.mark.parametrize("field", ["name", "email"])
async def test_the_portal_keeps_its_bounds_too(shop: Shop, field: str) -> None:
    customer = await shop.post("/v1/customers", {"email": "alice@example.com"})
    portal = await shop.post("/v1/billing_portal/sessions", {"customer": customer["id"]})
    form = {"name": "Alice", "email": "alice@example.com"}
    reply = await shop.api.post(f"{portal['url']}/details", data=form | {field: LONG + "@example.com"})
    assert reply.status_code == 422
    assert (await shop.api.post(f"{portal['url']}/details", data=form)).status_code == 303
