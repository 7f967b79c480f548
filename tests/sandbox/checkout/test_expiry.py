"""Sessions that end without a payment."""

from __future__ import annotations

from tests.sandbox.conftest import START

from .shop import CANCEL_URL, CHALLENGED, Shop


async def test_a_session_expires_in_its_time(shop: Shop) -> None:
    session = await shop.session(await shop.price(), expires_at=START + 1800)
    shop.sandbox.advance(1799)
    assert (await shop.read(session))["status"] == "open"
    shop.sandbox.advance(1)
    after = await shop.read(session)
    assert (after["status"], after["url"]) == ("expired", None)
    assert shop.types("checkout") == ["checkout.session.expired"]
    page = await shop.api.get(session["url"])
    assert page.status_code == 410
    assert CANCEL_URL in page.text


async def test_a_paid_session_does_not_expire(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session)
    shop.sandbox.advance(2 * 86_400)
    assert (await shop.read(session))["status"] == "complete"
    assert "checkout.session.expired" not in shop.types("checkout")


async def test_only_an_open_session_can_be_made_to_expire(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    path = f"/v1/checkout/sessions/{session['id']}/expire"
    assert (await shop.post(path))["status"] == "expired"
    assert "status in" in (await shop.post(path, status=400))["message"]
    assert (await shop.pay(session)).status_code == 410
    assert shop.types("charge") == []


async def test_what_waited_for_the_buyer_is_canceled(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session, CHALLENGED)
    setup = await shop.session(mode="setup", currency="usd")
    shop.sandbox.advance(86_400)
    assert (await shop.read(session, "payment_intent"))["payment_intent"]["status"] == "canceled"
    assert (await shop.read(setup, "setup_intent"))["setup_intent"]["status"] == "canceled"


async def test_an_expired_session_can_be_taken_up_again(shop: Shop) -> None:
    again = {"recovery": {"enabled": "true"}}
    session = await shop.session(await shop.price(), after_expiration=again, metadata={"order": "7"})
    path = f"/checkout/{session['id']}/again"
    assert (await shop.api.post(path)).status_code == 400
    shop.sandbox.advance(86_400)
    expired = await shop.read(session)
    assert expired["after_expiration"]["recovery"]["url"] == f"{shop.sandbox.url}/checkout/{session['id']}"
    assert "Start again" in (await shop.api.get(session["url"])).text
    reply = await shop.api.post(path)
    new = await shop.get("/v1/checkout/sessions/" + reply.headers["location"].rpartition("/")[2])
    assert (new["recovered_from"], new["status"], new["metadata"]) == (session["id"], "open", {"order": "7"})
    assert (await shop.pay(new)).status_code == 303
    shop.sandbox.advance(31 * 86_400)
    assert (await shop.api.post(path)).status_code == 400


async def test_a_session_without_recovery_cannot(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    shop.sandbox.advance(86_400)
    assert "Start again" not in (await shop.api.get(session["url"])).text
    assert (await shop.api.post(f"/checkout/{session['id']}/again")).status_code == 400
