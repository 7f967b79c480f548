"""`tollhouse catalogue`, `tollhouse stripe setup` and what `tollhouse doctor` says of payments."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.billing.stripe_rig import products
from tests.cli.conftest import Shell
from tollhouse.billing import stripe_account
from tollhouse.testing import ServedSandbox

URL = "https://toll.example.com"


@pytest.fixture(scope="module")
def served() -> Iterator[ServedSandbox]:
    with ServedSandbox() as running:
        yield running


@pytest.fixture
def stripe(served: ServedSandbox, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> ServedSandbox:
    """A sandbox that the shell's settings lead to."""
    served.control("/reset")
    values = {"stripe_api_key": served.api_key, "stripe_webhook_secrets": "whsec_x", "stripe_api_base": served.url}
    values |= {"products": json.dumps(products()), "smtp_url": "smtp://127.0.0.1:9"}
    for name, value in values.items():
        monkeypatch.setenv(f"TOLLHOUSE_{name.upper()}", value)
    return served


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.01)


def findings(shell: Shell) -> dict[str, dict[str, str]]:
    return {found["subject"]: found for found in json.loads(shell.run("doctor", "--json").out)}


def test_products_are_pushed_checked_and_pulled(shell: Shell, stripe: ServedSandbox) -> None:
    checked = shell.run("catalogue", "check")
    assert (checked.code, "plan-monthly" in checked.out) == (1, True)
    pushed = shell.run("catalogue", "push", "--json")
    assert [change["action"] for change in json.loads(pushed.out)] == ["created"] * 4
    assert shell.run("catalogue", "push").out == "Stripe has it all already.\n"
    assert shell.run("catalogue", "check").out == "Stripe has it as tollhouse.toml says.\n"
    assert shell.run("catalogue", "check", "--json").out == "[]\n"
    pulled = tomllib.loads(shell.run("catalogue", "pull").out)
    assert [product["id"] for product in pulled["products"]] == ["plan", "pack"]


def test_commands_of_the_till_want_one(shell: Shell) -> None:
    ran = shell.run("catalogue", "push")
    assert (ran.code, "There is no till" in ran.err) == (1, True)


def test_stripes_own_words_are_shown(shell: Shell, stripe: ServedSandbox) -> None:
    stripe.control("/faults", {"fault": "error", "status": 400, "path": "/v1/prices"})
    ran = shell.run("catalogue", "push")
    assert (ran.code, ran.err) == (1, "Stripe refused: An unknown error occurred, on purpose.\n")


def test_the_endpoint_is_set_up_before_its_secret_can_be_known(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOLLHOUSE_STRIPE_WEBHOOK_SECRETS")
    first = shell.run("stripe", "setup")
    assert f"at {URL}/stripe/webhook: created." in first.out
    assert "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS=whsec_" in first.out
    again = json.loads(shell.run("stripe", "setup", "--json").out)
    assert (again["action"], again["secret"]) == ("unchanged", None)
    other = shell.run("stripe", "setup", "--url", "https://other.example.com/")
    assert "at https://other.example.com/stripe/webhook: created." in other.out


def test_an_endpoint_of_another_version_is_named_and_can_be_switched_off(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_endpoint(stripe, api_version="2024-06-20")
    assert "run this again with --disable-others" in shell.run("stripe", "setup").err
    assert "Disabled." in shell.run("stripe", "setup", "--disable-others").err
    assert shell.run("stripe", "setup").err == ""


@pytest.mark.parametrize("name", ["URL", "STRIPE_API_KEY"])
def test_a_set_up_wants_a_key_and_an_address(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(f"TOLLHOUSE_{name}")
    ran = shell.run("stripe", "setup")
    assert (ran.code, f"TOLLHOUSE_{name} is missing" in ran.err) == (1, True)


def test_a_set_up_says_what_is_wrong_with_the_key(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLHOUSE_STRIPE_API_KEY", "sk_live_oneInAMillion")
    ran = shell.run("stripe", "setup")
    assert (ran.code, "Stripe does not take TOLLHOUSE_STRIPE_API_KEY" in ran.err) == (1, True)
    assert "oneInAMillion" not in ran.err + ran.out


def test_a_settings_file_that_cannot_be_read_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLHOUSE_PRODUCTS", "[{}]")
    ran = shell.run("stripe", "setup")
    assert (ran.code, "TOLLHOUSE_PRODUCTS is not right" in ran.err) == (1, True)


def test_the_doctor_finds_what_is_missing_and_then_nothing(shell: Shell, stripe: ServedSandbox) -> None:
    sick = findings(shell)
    assert sick["Stripe key"]["level"] == "ok"
    assert "test mode, account acct_" in sick["Stripe key"]["text"]
    assert sick["webhook endpoint"]["text"].endswith("run `tollhouse stripe setup`")
    assert sick["price plan-monthly"]["level"] == "failure"
    shell.run("stripe", "setup")
    shell.run("catalogue", "push")
    well = findings(shell)
    for subject, says in (("webhook endpoint", "enabled, with all events"), ("catalogue", "2 prices at Stripe")):
        assert (well[subject]["level"], says in well[subject]["text"]) == ("ok", True), well[subject]
    assert well["Stripe's clock"]["level"] == "ok"


@pytest.mark.parametrize(("date", "level"), [("Thu, 01 Jan 2026 00:00:00 GMT", "failure"), ("soon", None)])
def test_the_doctor_compares_the_clock_with_stripes_where_it_tells_one(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch, date: str, level: str | None
) -> None:
    get = httpx.AsyncClient.get

    async def tell(client: httpx.AsyncClient, url: str) -> httpx.Response:
        return httpx.Response(200, headers={"date": date}) if url == stripe.url else await get(client, url)

    monkeypatch.setattr(httpx.AsyncClient, "get", tell)
    assert findings(shell).get("Stripe's clock", {}).get("level") == level


def test_the_doctor_names_an_endpoint_that_stripe_disabled(shell: Shell, stripe: ServedSandbox) -> None:
    make_endpoint(stripe, url=f"{URL}/stripe/webhook")
    assert "in place of" in findings(shell)["webhook endpoint"]["text"]


@pytest.mark.parametrize(
    ("changed", "subject", "level", "says"),
    [
        (
            {"stripe_api_key": "sk_test_x", "stripe_api_base": "http://127.0.0.1:9"},
            "Stripe key",
            "failure",
            "not answer",
        ),
        ({"products": "[]"}, "catalogue", "warning", "nothing can be bought"),
        (
            {"stripe_api_key": None, "stripe_webhook_secrets": None, "products": "[]"},
            "payments",
            "ok",
            "not configured",
        ),
    ],
)
def test_the_doctor_says_why_nothing_can_be_sold(
    shell: Shell,
    stripe: ServedSandbox,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str | None],
    subject: str,
    level: str,
    says: str,
) -> None:
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(f"TOLLHOUSE_{name.upper()}")
        else:
            monkeypatch.setenv(f"TOLLHOUSE_{name.upper()}", value)
    found = findings(shell)[subject]
    assert (found["level"], says in found["text"]) == (level, True), found


def test_the_doctor_tells_a_key_that_stripe_refuses_and_one_of_another_account(
    shell: Shell, stripe: ServedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings(shell)["Stripe key"]["level"] == "ok"
    stripe.control("/faults", {"fault": "error", "status": 401})
    assert "mistyped, or was rolled" in findings(shell)["Stripe key"]["text"]
    with ServedSandbox(seed=5) as other:
        monkeypatch.setenv("TOLLHOUSE_STRIPE_API_BASE", other.url)
        found = findings(shell)["payments"]
    assert (found["level"], "set that account's key" in found["text"]) == ("failure", True)


def make_endpoint(stripe: ServedSandbox, **fields: Any) -> None:
    """As an earlier set-up did it."""
    data = {"url": f"{URL}/stripe/webhook", "enabled_events[]": "*", "api_version": "2024-06-20"} | fields
    headers = {"authorization": f"Bearer {stripe.api_key}"}
    httpx.post(f"{stripe.url}/v1/webhook_endpoints", data=data, headers=headers).raise_for_status()
