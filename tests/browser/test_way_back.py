"""Where a sign-in leads: back to the page that wanted it, and nowhere that is not ours or the app's."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from .neighbour import Neighbour
from .people import ON_BOTH_SCREENS, Browsers, ask_for_mail, be_mailed, expect_heading, is_signed_in, type_code
from .product import Product

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

AUTHORIZE = "/oauth/authorize?response_type=code&client_id=web&state=af0ifjsldkj"


@ON_BOTH_SCREENS
async def test_the_page_that_was_wanted_is_where_it_leads(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    mail = await be_mailed(page, product, alice, following="/account?tab=devices&page=2")
    await page.goto(mail.link)
    await page.wait_for_url(f"{product.url}/account?tab=devices&page=2")
    assert await is_signed_in(page, product)


@pytest.mark.parametrize("by_link", [True, False], ids=["by link", "by code"])
async def test_the_app_next_door_gets_its_person_back(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str, by_link: bool
) -> None:
    page = await browsers.page()
    wanted = f"{neighbour.url}/notes/7?view=all#end"
    mail = await ask_for_mail(page, product, alice, following=wanted)
    await (page.goto(mail.link) if by_link else type_code(page, mail.code))
    await page.wait_for_url(wanted)
    await expect_heading(page, "The app next door")
    assert await is_signed_in(page, product)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
async def test_a_stranger_s_address_is_refused_before_anything_is_sent(
    browsers: Browsers, product: Product, wanted: str
) -> None:
    page = await browsers.page()
    reply = await page.goto(f"{product.url}/auth/sign-in?next={wanted}")
    assert reply is not None
    assert reply.status == 422
    await expect(page.get_by_label("E-mail address")).to_have_count(0)
    assert wanted not in await page.content()
    await page.get_by_role("link", name="Sign in").click()
    await expect(page.locator("input[name=next]")).to_have_count(0)


@ON_BOTH_SCREENS
async def test_a_sign_in_of_an_oidc_client_is_finished_where_it_began(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page, other = await browsers.page(), await browsers.page()
    mail = await ask_for_mail(page, product, alice, following=AUTHORIZE)
    await other.goto(mail.link)
    await expect_heading(other, "Go back to where you started")
    await expect(other.get_by_role("button")).to_have_count(0)
    assert not await is_signed_in(other, product)
    await type_code(page, mail.code)
    await page.wait_for_url(product.url + AUTHORIZE)
    assert await is_signed_in(page, product)


async def test_the_mail_catcher_s_button_leads_next_door_too(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str
) -> None:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, alice, following=f"{neighbour.url}/notes")
    await page.get_by_role("link", name="open the mail catcher").click()
    await page.get_by_role("listitem").first.get_by_role("link").click()
    await page.get_by_role("button", name=f"Use the code {mail.code}").click()
    await page.wait_for_url(f"{neighbour.url}/notes")


async def test_the_bare_address_leads_to_the_sign_in_page(browsers: Browsers, product: Product) -> None:
    page = await browsers.page()
    await page.goto(product.url)
    await page.wait_for_url(f"{product.url}/auth/sign-in")
