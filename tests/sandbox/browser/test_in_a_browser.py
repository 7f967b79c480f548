"""The hosted pages in Chromium, as people use them; axe finds nothing on any of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page, expect

from .conftest import Shop

RUN_AXE = """async (only) => {
  const rules = only ? {runOnly: only} : {rules: {"target-size": {enabled: true}}};
  const {violations} = await axe.run(document, {iframes: false, resultTypes: ["violations"], ...rules});
  return violations.map((found) => [found.id, ...found.nodes.map((node) => node.html)]);
}"""

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]


async def examine(page: Page) -> None:
    """Run axe at both widths and in both schemes, and look for sideways scrolling; leave a phone's light page."""
    await page.evaluate(AXE_SCRIPT)
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate(RUN_AXE, None) == [], width
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    await page.emulate_media(color_scheme="dark")  # changes colours and nothing else
    assert await page.evaluate(RUN_AXE, ["color-contrast"]) == []
    await page.emulate_media(color_scheme="light")


async def choose_card(page: Page, what: str) -> None:
    """Take one of the test cards that the form offers."""
    await page.get_by_role("link", name=re.compile(f"^{re.escape(what)}")).click()


async def pay(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^(Pay|Subscribe|Save)")).click()


async def expect_seller(page: Page, session: Any) -> None:
    await expect(page.get_by_role("heading")).to_have_text("Back at the seller")
    assert page.url.endswith(f"done?{session['id']}")


async def test_a_card_pays(page: Page, shop: Shop) -> None:
    session = await shop.session(allow_promotion_codes="true")
    await page.goto(session["url"])
    await expect(page.get_by_role("banner")).to_contain_text("No money moves here")
    await examine(page)
    await page.get_by_label("E-mail").fill("alice@example.com")
    await choose_card(page, "Succeeds")
    await expect(page.get_by_label("Card number")).to_have_value("4242424242424242")
    await pay(page)
    await expect_seller(page, session)
    await page.go_back()
    await expect(page.get_by_role("heading", name="This checkout is complete")).to_be_visible()
    await examine(page)
    assert (await shop.read(session))["payment_status"] == "paid"


async def test_a_decline_gives_its_reason_and_keeps_what_was_typed(page: Page, shop: Shop) -> None:
    session = await shop.session()
    await page.goto(session["url"])
    await page.get_by_label("E-mail").fill("alice")
    await choose_card(page, "Has insufficient funds")
    await pay(page)
    await expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    await examine(page)
    await page.get_by_label("E-mail").fill("alice@example.com")
    await pay(page)
    await expect(page.get_by_role("alert")).to_contain_text("insufficient funds")
    await expect(page.get_by_label("E-mail")).to_have_value("alice@example.com")
    await choose_card(page, "Succeeds")
    await page.get_by_role("button", name="Pay $12.00").dblclick()
    await expect_seller(page, session)
    charges = (await shop.get("/v1/charges", {"payment_intent": (await shop.read(session))["payment_intent"]}))["data"]
    assert sorted(each["status"] for each in charges) == ["failed", "succeeded"]


async def test_the_second_tab_finds_it_paid(page: Page, shop: Shop) -> None:
    session = await shop.session(mode="subscription")
    second = await page.context.new_page()
    for tab in (page, second):
        await tab.goto(session["url"])
        await tab.get_by_label("E-mail").fill("alice@example.com")
        await choose_card(tab, "Succeeds")
    await examine(page)
    for tab in (page, second):
        await pay(tab)
        await expect_seller(tab, session)
    customer = (await shop.read(session))["customer"]
    assert len((await shop.get("/v1/subscriptions", {"customer": customer}))["data"]) == 1


@pytest.mark.parametrize("answer", ["Approve", "Refuse"])
async def test_3d_secure_is_answered(page: Page, shop: Shop, answer: str) -> None:
    session = await shop.session(customer_email="alice@example.com")
    await page.goto(session["url"])
    await choose_card(page, "Asks for 3-D Secure")
    await pay(page)
    await expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    await examine(page)
    await page.get_by_role("button", name=answer).click()
    if answer == "Approve":
        await expect_seller(page, session)
    else:
        await expect(page.get_by_role("alert")).to_be_visible()
        assert (await shop.read(session))["status"] == "open"


async def test_a_bank_account_pays_later(page: Page, shop: Shop) -> None:
    session = await shop.session(customer_email="alice@example.com")
    await page.goto(session["url"])
    await page.get_by_label("US bank account").check()
    await expect(page.get_by_label("Card number")).to_be_hidden()
    await page.get_by_role("link", name=re.compile("^Settles")).click()
    await examine(page)
    await pay(page)
    await expect_seller(page, session)
    assert (await shop.read(session))["payment_status"] == "unpaid"


async def test_it_works_without_a_script(chromium: Browser, shop: Shop) -> None:
    session = await shop.session(customer_email="alice@example.com")
    context = await chromium.new_context(java_script_enabled=False)
    tab = await context.new_page()
    await tab.goto(session["url"])
    await choose_card(tab, "Succeeds")
    await expect(tab.get_by_label("Card number")).to_have_value("4242424242424242")
    await pay(tab)
    await expect_seller(tab, session)
    await context.close()


async def test_everything_a_seller_can_ask_for_fits_the_page(page: Page, shop: Shop) -> None:
    size = {"options": [{"label": "Small", "value": "s"}]}
    field = {"key": "size", "type": "dropdown", "label": {"type": "custom", "custom": "Size"}, "dropdown": size}
    asked = {
        "custom_fields": [field],
        "phone_number_collection": {"enabled": "true"},
        "billing_address_collection": "required",
        "shipping_address_collection": {"allowed_countries": ["US"]},
        "tax_id_collection": {"enabled": "true"},
        "consent_collection": {"terms_of_service": "required", "promotions": "auto"},
    }
    session = await shop.session(**asked)
    await page.goto(session["url"])
    await examine(page)
    await pay(page)
    await expect(page.get_by_text("Agree to the seller's terms")).to_be_visible()
    await examine(page)


async def test_a_customer_helps_themselves_in_the_portal(page: Page, shop: Shop) -> None:
    session = await shop.session(mode="subscription", customer_email="alice@example.com")
    await page.goto(session["url"])
    await choose_card(page, "Succeeds")
    await pay(page)
    await expect_seller(page, session)
    customer = (await shop.read(session))["customer"]
    portal = await shop.post("/v1/billing_portal/sessions", {"customer": customer, "return_url": shop.seller})
    await page.goto(portal["url"])
    await examine(page)
    for way, title in (("Change plan", "Change plan"), ("Change how you pay", "Change how you pay")):
        await page.get_by_role("link", name=way).click()
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await examine(page)
        await page.get_by_role("link", name="Back to your billing").click()
    await page.get_by_role("link", name="Cancel the subscription").click()
    await examine(page)
    await page.get_by_role("button", name="Cancel the subscription").click()
    await expect(page.get_by_text("Ends on")).to_be_visible()
    await page.get_by_role("button", name="Keep the subscription").click()
    await expect(page.get_by_text("Renews on")).to_be_visible()
    await page.get_by_role("link", name=re.compile("number")).first.click()
    await expect(page.get_by_role("heading", name=re.compile("^Invoice"))).to_be_visible()
    await examine(page)


async def test_the_short_pages_are_for_everybody_too(page: Page, shop: Shop) -> None:
    session = await shop.session(mode="subscription", customer_email="alice@example.com")
    await page.goto(session["url"])
    await choose_card(page, "Succeeds")
    await pay(page)
    await expect_seller(page, session)
    customer = (await shop.read(session))["customer"]
    charge = (await shop.get("/v1/charges", {"customer": customer}))["data"][0]
    await page.goto(charge["receipt_url"])
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    await examine(page)
    subscription = (await shop.get("/v1/subscriptions", {"customer": customer}))["data"][0]
    item = subscription["items"]["data"][0]
    change = {"subscription": subscription["id"], "items": [{"id": item["id"], "price": item["price"]["id"]}]}
    after = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "All set."}}
    flow = {"type": "subscription_update_confirm", "subscription_update_confirm": change, "after_completion": after}
    portal = await shop.post("/v1/billing_portal/sessions", {"customer": customer, "flow_data": flow})
    await page.goto(portal["url"])
    await expect(page.get_by_role("heading", name="Confirm the change")).to_be_visible()
    await examine(page)
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("All set.")).to_be_visible()
    await examine(page)
    await page.goto(portal["url"])
    await page.get_by_role("link", name="Change your details").click()
    await page.get_by_label("E-mail").fill("alice")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    await examine(page)


async def test_an_expired_session_says_so(page: Page, shop: Shop) -> None:
    session = await shop.session(after_expiration={"recovery": {"enabled": "true"}})
    await shop.post(f"/v1/checkout/sessions/{session['id']}/expire")
    await page.goto(session["url"])
    await examine(page)
    await page.get_by_role("button", name="Start again").click()
    await expect(page.get_by_role("heading", name="Checkout")).to_be_visible()


async def test_the_dashboard_shows_and_meddles(page: Page, shop: Shop) -> None:
    await page.goto(shop.sandbox.url)
    await page.get_by_label("Forget every object").check()
    await page.get_by_role("button", name="Forget everything").click()
    await expect(page.get_by_text("Nothing was paid yet")).to_be_visible()
    await shop.post("/v1/webhook_endpoints", {"url": shop.seller + "hook", "enabled_events": ["customer.created"]})
    await shop.post("/v1/customers", {"email": "bob@example.com"})
    await shop.post("/v1/payment_intents", {"amount": 700, "currency": "usd"} | {"payment_method": "pm_card_visa"})
    await page.reload()
    await examine(page)
    for name in ("Payments", "Customers", "Subscriptions", "Events", "Webhooks"):
        await page.get_by_role("navigation").get_by_role("link", name=name).click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        await examine(page)
    await page.get_by_role("navigation").get_by_role("link", name="Events").click()
    await page.get_by_role("link", name="customer.created").first.click()
    await examine(page)
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_role("region", name="Deliveries")).to_be_visible()
    await page.get_by_role("link", name="Break things").click()
    await page.get_by_label("What goes wrong").select_option("drop")
    await page.get_by_role("button", name="Break it").click()
    await expect(page.get_by_text("struck 0 of 1 times")).to_be_visible()
    await examine(page)
    await page.get_by_role("button", name="Mend").click()
    await page.get_by_role("link", name="Overview").click()
    before = shop.sandbox.clock.now()
    await page.get_by_role("button", name="+ 1 day").click()
    await expect(page.get_by_role("heading", name="Clock")).to_be_visible()
    assert shop.sandbox.clock.now() == before + 86_400
