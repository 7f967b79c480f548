"""The example of an application that Tollhouse is mounted in, with the settings that its README shows."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.billing.shop import PRODUCTS, bought
from tests.docs.documents import ROOT
from tollhouse import Event
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient
from tollhouse.testing.kit_settings import STRIPE

HOST = ROOT / "examples" / "host"
SETTING = re.compile(r'(TOLLHOUSE_\w+)=("[^"]*"|\S+)')
SECRET = "nothing but forty-eight random bytes: 8xQz4Lw1"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example's module, in a folder without any file of settings."""
    exports = re.findall(r"^export (.*)$", (HOST / "README.md").read_text(), re.MULTILINE)
    shown = {name: value.strip('"') for line in exports for name, value in SETTING.findall(line)}
    sold = {f"TOLLHOUSE_{name.upper()}": value for name, value in STRIPE.items()}
    sold["TOLLHOUSE_PRODUCTS"] = json.dumps(PRODUCTS)
    for name, value in (shown | sold | {"TOLLHOUSE_SECRET": SECRET}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("example_host", HOST / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def kit(host: Any) -> AsyncIterator[TestKit]:
    async with TestKit(app=host.app, toll=host.toll) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    signed_in = await kit.sign_in("alice@example.com")
    await kit.settle()
    return signed_in


async def available(alice: SignedInClient) -> tuple[int, int]:
    """What Alice has to spend, and what is held."""
    credits = (await alice.get("/credits")).json()
    return credits["available"], credits["held"]


async def test_each_user_s_notes_are_kept_and_forgotten_with_the_user(
    kit: TestKit, host: Any, alice: SignedInClient
) -> None:
    bob = await kit.sign_in("bob@example.com")
    await kit.settle()
    assert (await alice.post("/notes", params={"text": "milk"})).json() == {"notes": ["Welcome!", "milk"]}
    assert (await bob.get("/notes")).json() == {"email": "bob@example.com", "notes": ["Welcome!"]}
    assert (await kit.new_browser().get("/notes")).status_code == 401
    assert (await kit.new_browser().get("/")).status_code == 200
    assert (await alice.post("/account/delete", json={"confirm": "yes"})).status_code == 200
    await kit.settle()
    assert alice.user_id not in host.notes
    assert bob.user_id in host.notes


async def test_what_another_site_sends_is_refused(kit: TestKit, host: Any, alice: SignedInClient) -> None:
    await kit.toll.credits.grant(alice.user_id, 10)
    for path in ("/notes?text=spam", "/reports"):
        sent = await alice.post(path, headers={"origin": "https://mallory.example"})
        assert (sent.status_code, sent.json()["code"]) == (403, "cross_site_request")
    assert host.notes[alice.user_id] == ["Welcome!"]
    assert await available(alice) == (10, 0)


async def test_a_report_is_paid_for_once_it_is_there(kit: TestKit, host: Any, alice: SignedInClient) -> None:
    assert (await kit.new_browser().post("/reports")).status_code == 401
    await kit.toll.credits.grant(alice.user_id, 5)
    written = await alice.post("/reports")
    assert (written.status_code, written.json()) == (201, {"notes": 1, "words": 1})
    refused = await alice.post("/reports")
    assert (refused.status_code, refused.json()["code"]) == (402, "credits_insufficient")
    assert await available(alice) == (2, 0)


async def test_a_report_that_fails_costs_nothing(kit: TestKit, host: Any, alice: SignedInClient) -> None:
    await kit.toll.credits.grant(alice.user_id, 3)
    host.notes.clear()
    assert (await alice.post("/reports")).status_code == 409
    assert await available(alice) == (3, 0)


async def test_a_payment_brings_credits_and_thanks_once(kit: TestKit, host: Any, alice: SignedInClient) -> None:
    await bought(kit, alice)
    assert host.notes[alice.user_id] == ["Welcome!", "Thank you! You have 100 credits more."]
    (paid,) = host.thanked
    await host.write_thanks(Event("out_1", "payment.succeeded", alice.user_id, 1, 0, {"payment_id": paid}))
    assert len(host.notes[alice.user_id]) == 2
    assert (await alice.post("/reports")).json() == {"notes": 2, "words": 8}
    assert await available(alice) == (97, 0)


def test_it_stays_small() -> None:
    assert len((HOST / "main.py").read_text().splitlines()) < 80
    assert (HOST / "README.md").read_text().count("\n") <= 30
