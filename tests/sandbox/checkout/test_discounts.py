"""What coupons and promotion codes take off a session."""

from __future__ import annotations

from typing import Any

from .shop import Shop


async def coupon(shop: Shop, **params: Any) -> Any:
    return await shop.post("/v1/coupons", {"duration": "once"} | params)


async def code(shop: Shop, word: str = "SPRING", **params: Any) -> Any:
    made = await coupon(shop, percent_off=20)
    return await shop.post(
        "/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": made["id"]}, "code": word} | params
    )


async def test_a_coupon_is_shared_out_among_the_items(shop: Shop) -> None:
    prices = [await shop.price(amount) for amount in (1000, 333, 1)]
    made = await coupon(shop, amount_off=1000, currency="usd")
    session = await shop.session(*prices, discounts=[{"coupon": made["id"]}], expand=["line_items"])
    items = session["line_items"]["data"]
    assert session["amount_total"] == 334
    assert session["total_details"]["amount_discount"] == 1000 == sum(each["amount_discount"] for each in items)
    assert session["discounts"] == [{"coupon": made["id"], "promotion_code": None}]


async def test_a_coupon_takes_off_what_it_applies_to_alone(shop: Shop) -> None:
    one, two = await shop.price(1000), await shop.price(1000)
    made = await coupon(shop, percent_off=50, applies_to={"products": [two["product"]]})
    session = await shop.session(one, two, discounts=[{"coupon": made["id"]}], expand=["line_items"])
    assert [each["amount_total"] for each in session["line_items"]["data"]] == [1000, 500]


async def test_a_promotion_code_is_typed_in_on_the_page(shop: Shop) -> None:
    await code(shop)
    session = await shop.session(await shop.price(1000), allow_promotion_codes="true")
    path = f"/checkout/{session['id']}/code"
    wrong = await shop.api.post(path, data={"code": "WINTER"})
    assert wrong.status_code == 422
    assert "This code is invalid" in wrong.text
    assert (await shop.api.post(path, data={"code": "spring"})).status_code == 303
    assert (await shop.read(session))["amount_total"] == 800
    assert (await shop.api.post(path, data={"drop": "1"})).status_code == 303
    assert (await shop.read(session))["amount_total"] == 1000


async def test_a_session_without_codes_takes_none(shop: Shop) -> None:
    await code(shop)
    session = await shop.session(await shop.price(1000))
    assert (await shop.api.post(f"/checkout/{session['id']}/code", data={"code": "SPRING"})).status_code == 422
    assert (await shop.read(session))["amount_total"] == 1000


async def test_a_code_counts_as_redeemed_once_the_session_is_paid(shop: Shop) -> None:
    promotion = await code(shop, max_redemptions=1)
    given = [{"promotion_code": promotion["id"]}]
    first = await shop.session(await shop.price(1000), discounts=given)
    second = await shop.session(await shop.price(1000), discounts=given)
    path = f"/v1/promotion_codes/{promotion['id']}"
    assert (await shop.get(path))["times_redeemed"] == 0
    assert (await shop.pay(first)).status_code == 303
    assert (await shop.get(path))["times_redeemed"] == 1
    refused = await shop.pay(second)
    assert refused.status_code == 402
    assert (await shop.read(second))["status"] == "open"
    breakdown = (await shop.read(first, "total_details.breakdown"))["total_details"]["breakdown"]
    assert [each["amount"] for each in breakdown["discounts"]] == [200]


async def test_a_hundred_percent_off_needs_no_card(shop: Shop) -> None:
    made = await coupon(shop, percent_off=100)
    session = await shop.session(await shop.price(1000), discounts=[{"coupon": made["id"]}])
    assert "Card number" not in (await shop.api.get(session["url"])).text
    reply = await shop.api.post(session["url"], data={"email": "alice@example.com"})
    assert reply.status_code == 303
    paid = await shop.read(session)
    assert (paid["payment_status"], paid["payment_intent"]) == ("no_payment_required", None)


async def test_a_subscription_takes_the_discount_over(shop: Shop) -> None:
    made = await coupon(shop, percent_off=50, duration="forever")
    session = await shop.session(await shop.plan(1000), discounts=[{"coupon": made["id"]}])
    assert session["amount_total"] == 500
    assert (await shop.pay(session)).status_code == 303
    paid = await shop.read(session, "invoice", "subscription.discounts")
    assert paid["invoice"]["amount_paid"] == 500
    assert [each["source"]["coupon"] for each in paid["subscription"]["discounts"]] == [made["id"]]
    assert (await shop.get(f"/v1/coupons/{made['id']}"))["times_redeemed"] == 1
    breakdown = (await shop.read(session, "total_details.breakdown"))["total_details"]["breakdown"]
    assert [each["amount"] for each in breakdown["discounts"]] == [500]
