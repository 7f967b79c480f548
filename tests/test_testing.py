"""The test kit, used as a host's own tests use it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Depends, FastAPI

from tollhouse import Caller, Tollhouse
from tollhouse.mail.smtp import SmtpTransport
from tollhouse.testing import TestKit, make_settings


@pytest.fixture
def toll(tmp_path) -> Tollhouse:
    """The host's Tollhouse, with a database and a mail server that no test may touch."""
    return Tollhouse(make_settings(database_url=f"sqlite:///{tmp_path}/production.db"))


@pytest.fixture
def app(toll: Tollhouse) -> FastAPI:
    """A host's application."""
    app = FastAPI()
    toll.install(app)

    @app.get("/dashboard")
    async def show_dashboard(user: Caller = Depends(toll.user)) -> dict[str, str | None]:
        return {"email": user.email}

    return app


async def test_a_hosts_route_lets_alice_in_and_nobody_else(app: FastAPI, toll: Tollhouse):
    async with TestKit(app=app, toll=toll) as kit:
        assert (await kit.new_browser().get("/dashboard")).status_code == 401
        alice = await kit.sign_in("alice@example.com")
        assert (await alice.get("/dashboard")).json() == {"email": "alice@example.com"}


async def test_the_hosts_database_and_mail_server_are_left_alone(app: FastAPI, toll: Tollhouse):
    settings = toll.settings
    async with TestKit(app=app, toll=toll) as kit:
        await kit.sign_in("alice@example.com")
        assert not settings.database_path.exists()
        used = toll.settings.database_path
        assert used.exists()
    assert not used.exists()
    assert toll.settings is settings
    assert isinstance(toll.transport, SmtpTransport)


async def test_kits_know_nothing_of_each_other(app: FastAPI, toll: Tollhouse):
    ids = set()
    for _ in range(2):
        async with TestKit(app=app, toll=toll) as kit:
            assert kit.mails == []
            ids.add((await kit.sign_in("alice@example.com")).user_id)
    assert len(ids) == 2


async def test_each_mail_is_handed_out_once_and_a_missing_one_is_missed(monkeypatch: pytest.MonkeyPatch):
    async with TestKit() as kit:
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        kit.clock.advance(31)
        await kit.settle()
        await browser.ask_for_link("alice@example.com")
        await kit.settle()
        first, second = [await kit.mail_to("alice@example.com") for _ in range(2)]
        assert [second, first] == kit.mails
        monkeypatch.setattr("tollhouse.testing.kit.WAIT_SECONDS_MAX", 0.05)
        with pytest.raises(TimeoutError, match="no mail to alice"):
            await kit.mail_to("alice@example.com")


async def test_nothing_of_this_machine_leaks_into_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOLLHOUSE_BRAND_NAME", "From the environment")
    (tmp_path / ".env").write_text("TOLLHOUSE_SIGN_UP=closed\n")
    (tmp_path / "tollhouse.toml").write_text('sign_up = "closed"\n')
    settings = TestKit(brand_color="#123456").toll.settings
    assert (settings.brand_name, settings.sign_up, settings.brand_color) == ("Tollhouse", "open", "#123456")


def test_an_application_without_its_tollhouse_is_refused(app: FastAPI, toll: Tollhouse):
    half_given: list[dict[str, Any]] = [{"app": app}, {"toll": toll}, {"app": app, "toll": toll, "brand_name": "Acme"}]
    for given in half_given:
        with pytest.raises(TypeError):
            TestKit(**given)


async def test_browsers_have_an_ip_of_their_own():
    async with TestKit() as kit:
        ips = [kit.new_browser().ip for _ in range(300)]
        assert len(set(ips)) == 300
        assert kit.new_browser(ip="192.0.2.1").ip == "192.0.2.1"
