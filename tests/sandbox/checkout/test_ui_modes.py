"""Kinds of pages by the names that API versions gave them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.asking import ask

from .shop import SUCCESS_URL, Shop

OLDER = "2026-02-25.clover"
NEWER = "2026-03-25.dahlia"
NEWEST = "2026-10-28.endive"


async def ask_for(shop: Shop, ui_mode: str, version: str | None, status: int = 200) -> Any:
    price = await shop.price()
    url = {"success_url": SUCCESS_URL} if ui_mode.startswith("hosted") else {"return_url": SUCCESS_URL}
    given = {"mode": "payment", "ui_mode": ui_mode, "line_items": [{"price": price["id"], "quantity": 1}], **url}
    return await ask(shop.api, "POST", "/v1/checkout/sessions", given, status=status, version=version)


@pytest.mark.parametrize(
    ("older", "newer"), [("hosted", "hosted_page"), ("embedded", "embedded_page"), ("custom", "elements")]
)
async def test_an_older_name_is_understood_and_said_again(shop: Shop, older: str, newer: str) -> None:
    session = await ask_for(shop, older, OLDER)
    assert session["ui_mode"] == older
    assert (session["url"] is None) == (older != "hosted")
    assert (await ask_for(shop, older, None))["ui_mode"] == newer


@pytest.mark.parametrize("version", [NEWER, NEWEST])
async def test_a_newer_version_has_forgotten_it(shop: Shop, version: str) -> None:
    error = await ask_for(shop, "hosted", version, 400)
    assert error["param"] == "ui_mode"
    await ask_for(shop, "hosted_page", version)


@pytest.mark.parametrize("version", [OLDER, NEWER, NEWEST, None])
async def test_an_unknown_one_is_refused(shop: Shop, version: str | None) -> None:
    assert (await ask_for(shop, "popup", version, 400))["param"] == "ui_mode"
