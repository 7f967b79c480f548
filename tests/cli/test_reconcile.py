"""`tollhouse reconcile`, beside the running product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.cli.shop import Shop, use_shop


def test_what_differs_is_printed_then_repaired_then_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async def work(shop: Shop):
        assert (await shop.run("reconcile")).code == 0
        await shop.buy()
        found = await shop.run("reconcile")
        repaired = await shop.run("reconcile", "--repair", "--json")
        credits = await shop.available()
        return found, repaired, credits, await shop.run("reconcile", "--days", "1", "--json")

    found, repaired, credits, after = use_shop(shell, monkeypatch, tmp_path, work)
    assert found.code == 1
    assert "payment_missing: cs_test_" in found.out
    assert "(can be repaired)" in found.out
    assert "1 differences, 0 repaired, 1 remain" in found.out
    assert found.err == ""  # nobody watches: no progress
    report = json.loads(repaired.out)
    assert (repaired.code, report["found"], report["repaired"], report["remaining"]) == (0, 1, 1, 0)
    assert report["differences"][0]["repaired"] is True
    assert credits == 100
    assert (after.code, json.loads(after.out)["differences"]) == (0, [])


def test_a_terminal_sees_how_far_it_is(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    async def work(shop: Shop):
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        return await shop.run("reconcile")

    ran = use_shop(shell, monkeypatch, tmp_path, work)
    assert "Comparing" in ran.err
    assert "100%" in ran.err


def test_without_a_till_it_says_so(shell: Shell):
    ran = shell.run("reconcile")
    assert (ran.code, ran.out) == (1, "")
    assert "no till" in ran.err
