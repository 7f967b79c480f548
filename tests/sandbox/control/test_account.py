"""The account's settings: what becomes of a subscription that is not paid in the end."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox


async def read(api: httpx.AsyncClient) -> str:
    return (await api.get("/control/account")).json()["after_dunning"]


@pytest.mark.parametrize("end", ["unpaid", "past_due", "cancel"])
async def test_a_setting_is_told_and_forgotten_by_a_reset(api: httpx.AsyncClient, end: str) -> None:
    assert await read(api) == "cancel"
    assert (await api.post("/control/account", json={"after_dunning": end})).json() == {"after_dunning": end}
    assert await read(api) == end
    await api.post("/control/reset", json={})
    assert await read(api) == "cancel"


async def test_another_word_is_refused(api: httpx.AsyncClient) -> None:
    reply = await api.post("/control/account", json={"after_dunning": "forgive"})
    assert (reply.status_code, reply.json()["param"]) == (400, "after_dunning")
    assert (await api.post("/control/account", json={})).status_code == 400
    assert await read(api) == "cancel"


async def test_a_setting_is_found_again_in_its_file(tmp_path: Path) -> None:
    for expected in ("cancel", "past_due"):
        async with Sandbox(path=tmp_path / "sandbox.sqlite", start=START) as sandbox, sandbox.client() as api:
            assert await read(api) == expected
            await api.post("/control/account", json={"after_dunning": "past_due"})
