"""`tollhouse why`, from what somebody has back to what was paid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.cli.shop import Shop, use_shop

NOBODY = "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"


def test_credits_and_features_are_explained_from_the_payment_on(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async def work(shop: Shop):
        await shop.buy()
        await shop.buy("pro-monthly")
        await shop.run("reconcile", "--repair")
        alice = shop.alice.user_id
        return (
            await shop.run("why", "credits", alice),
            await shop.run("why", "credits", alice, "--json"),
            await shop.run("why", "feature", alice, "exports"),
            await shop.run("why", "feature", alice, "teleport", "--json"),
        )

    credits, as_json, feature, nothing = use_shop(shell, monkeypatch, tmp_path, work)
    lines = credits.out.splitlines()
    assert (credits.code, lines[0]) == (0, "200 credits available, 0 held, 0 owed")
    assert sum(line.startswith("  < lot lot_") for line in lines) == 2
    assert sum(line.startswith("    < payment pur_") for line in lines) == 1
    assert sum(line.startswith("    < payment in_") for line in lines) == 1
    chain = json.loads(as_json.out)
    assert {each["kind"] for each in chain["because"]} == {"purchase", "subscription"}
    assert feature.out.splitlines()[0] == "exports: entitled"
    assert "< subscription sub_" in feature.out
    assert json.loads(nothing.out) == {"what": "teleport: not entitled", "because": []}


def test_of_nobody_there_is_nothing_to_explain(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    async def work(shop: Shop):
        return await shop.run("why", "credits", NOBODY), await shop.run("why", "feature", NOBODY, "exports")

    for ran in use_shop(shell, monkeypatch, tmp_path, work):
        assert (ran.code, ran.out) == (1, "")
        assert "no such user" in ran.err


def test_erasing_by_command_ends_what_is_paid_for(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    async def work(shop: Shop):
        await shop.buy("pro-monthly")
        ran = await shop.run("users", "erase", shop.alice.user_id, "--yes")
        async with shop.kit.stripe.client() as client:
            found = (await client.get("/v1/subscriptions", params={"status": "all"})).json()
        return ran, [each["status"] for each in found["data"]]

    ran, statuses = use_shop(shell, monkeypatch, tmp_path, work)
    assert (ran.code, ran.out, statuses) == (0, "Erased.\n", ["canceled"])
