"""Signing in to an app next door, and to one of somebody else's, in a real browser with its redirects and policies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from tests.support.processes import spawn

from .looks import examine
from .neighbour import Neighbour
from .oidc_apps import CLIENTS, SECRET, Stranger, authorize, expect_code, led_by, post
from .people import ON_BOTH_SCREENS, Browsers, be_signed_in, expect_heading, is_signed_in, type_code
from .product import Mail, Product

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def product(
    neighbour: Neighbour, elsewhere: Stranger, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Product]:
    """A running `tollhouse dev` with two clients."""
    folder: Path = tmp_path_factory.mktemp("provider")
    (folder / "tollhouse.toml").write_text(CLIENTS.format(secret=SECRET, ours=neighbour.url, theirs=elsewhere.url))
    env = {"TOLLHOUSE_APP_ORIGINS": neighbour.url, "TOLLHOUSE_BRAND_NAME": "Harbour"}
    with spawn(["dev", "--port", "{port}", "--data", str(folder / "data")], env, folder=folder) as process:
        await process.answers("/health/ready")
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
            yield Product(f"http://localhost:{process.port}", client)


async def asked_for(page: Page, product: Product, address: str) -> Mail:
    """Type the address on the sign-in page, and get the mail."""
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    return await product.mail_to(address)


@ON_BOTH_SCREENS
@pytest.mark.parametrize("by_link", [True, False], ids=["by link", "by code"])
async def test_the_app_next_door_gets_its_person_back(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str, by_link: bool
) -> None:
    page = await browsers.page()
    await led_by(page, neighbour.url, authorize(product, "web", f"{neighbour.url}/callback"))
    mail = await asked_for(page, product, alice)
    await (page.goto(mail.link) if by_link else type_code(page, mail.code))
    await expect_code(page, f"{neighbour.url}/callback", product, "web")
    await led_by(page, neighbour.url, authorize(product, "web", f"{neighbour.url}/callback"))
    await expect_code(page, f"{neighbour.url}/callback", product, "web")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_an_app_on_another_site_is_asked_about_and_gets_its_code(
    browsers: Browsers, product: Product, elsewhere: Stranger, alice: str, script: bool
) -> None:
    """Its address stands in no `form-action`, and the way there comes out of two of our forms."""
    page = await browsers.new_page(script=script)
    await page.goto(authorize(product, "calendar", f"{elsewhere.url}/cb"))
    mail = await asked_for(page, product, alice)
    await type_code(page, mail.code)
    await expect_heading(page, "Allow Calendar Thing?")
    await expect(page.locator("main")).to_contain_text(alice)
    await page.get_by_role("button", name="Allow").click()
    await expect_code(page, f"{elsewhere.url}/cb", product, "calendar")
    await page.goto(authorize(product, "calendar", f"{elsewhere.url}/cb"))
    await expect_code(page, f"{elsewhere.url}/cb", product, "calendar")


async def test_an_app_may_post_its_request_from_another_site(
    browsers: Browsers, product: Product, elsewhere: Stranger, alice: str
) -> None:
    """The session's cookie does not come with such a post; it does with the GET that follows."""
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.goto(elsewhere.url)
    await post(page, authorize(product, "calendar", f"{elsewhere.url}/cb"))
    await expect_heading(page, "Allow Calendar Thing?")
    await page.get_by_role("button", name="Allow").click()
    told = await expect_code(page, f"{elsewhere.url}/cb", product, "calendar")
    hint = {"id_token_hint": told["id_token"], "post_logout_redirect_uri": f"{elsewhere.url}/bye"}
    await post(page, f"{product.url}/oauth/sign-out?{urlencode(hint)}")
    await page.wait_for_url(f"{elsewhere.url}/bye")
    assert await is_signed_in(page, product), "an app of somebody else's signs people out of itself alone"
    await page.goto(authorize(product, "calendar", f"{elsewhere.url}/cb"))
    await expect_heading(page, "Allow Calendar Thing?")


@pytest.mark.parametrize("method", ["get", "post"])
async def test_the_app_next_door_signs_its_person_out(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str, method: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await led_by(page, neighbour.url, authorize(product, "web", f"{neighbour.url}/callback"))
    told = await expect_code(page, f"{neighbour.url}/callback", product, "web")
    hint = {"id_token_hint": told["id_token"], "post_logout_redirect_uri": f"{neighbour.url}/bye"}
    address = f"{product.url}/oauth/sign-out?{urlencode(hint)}"
    await (page.goto(address) if method == "get" else post(page, address))
    await page.wait_for_url(f"{neighbour.url}/bye")
    assert not await is_signed_in(page, product)


async def test_a_stranger_s_form_signs_nobody_out(
    browsers: Browsers, product: Product, elsewhere: Stranger, alice: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.goto(elsewhere.url)
    await post(page, f"{product.url}/oauth/sign-out?a=b")
    await expect_heading(page, "Sign out?")
    assert await is_signed_in(page, product)


async def test_a_no_goes_back_too(browsers: Browsers, product: Product, elsewhere: Stranger, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.goto(authorize(product, "calendar", f"{elsewhere.url}/cb"))
    await page.get_by_role("button", name="Cancel").click()
    await page.wait_for_url(lambda url: url.startswith(f"{elsewhere.url}/cb?error=access_denied"))


async def test_the_app_s_own_field_is_the_only_one(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str
) -> None:
    page = await browsers.page()
    address = authorize(product, "web", f"{neighbour.url}/callback", login_hint=alice)
    await led_by(page, neighbour.url, address)
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await page.goto((await product.mail_to(alice)).link)
    await expect_code(page, f"{neighbour.url}/callback", product, "web")


async def test_the_link_in_another_browser_says_to_go_back_and_the_code_finishes_it(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str
) -> None:
    page, other = await browsers.page(), await browsers.page()
    await led_by(page, neighbour.url, authorize(product, "web", f"{neighbour.url}/callback", login_hint=alice))
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    mail = await product.mail_to(alice)
    await other.goto(mail.link)
    await expect_heading(other, "Go back to where you started")
    await expect(other.get_by_role("button")).to_have_count(0)
    assert not await is_signed_in(other, product)
    await type_code(page, mail.code)
    await expect_code(page, f"{neighbour.url}/callback", product, "web")


async def test_a_hint_that_nobody_knows_the_origin_of_lets_the_link_ask(
    browsers: Browsers, product: Product, neighbour: Neighbour, alice: str
) -> None:
    page = await browsers.page()
    await page.goto(authorize(product, "web", f"{neighbour.url}/callback", login_hint=alice))
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await page.goto((await product.mail_to(alice)).link)
    await expect_heading(page, "Is this you?")
    assert not await is_signed_in(page, product)
    await examine(page)
    await page.get_by_role("button", name="Sign in").click()
    await expect_code(page, f"{neighbour.url}/callback", product, "web")


async def test_a_stranger_s_page_sends_nothing(
    browsers: Browsers, product: Product, neighbour: Neighbour, elsewhere: Stranger, alice: str
) -> None:
    page = await browsers.page()
    await led_by(page, elsewhere.url, authorize(product, "web", f"{neighbour.url}/callback", login_hint=alice))
    await expect(page.get_by_label("E-mail address")).to_have_value(alice)
    assert await product.mails_to(alice) == []


async def test_the_page_that_goes_on_can_be_clicked_through(
    browsers: Browsers, product: Product, elsewhere: Stranger, alice: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    referred: list[str | None] = []

    def hear(request: Request) -> None:
        referred.append(request.headers.get("referer"))

    await page.route(f"{elsewhere.url}/**", lambda route: (hear(route.request), route.fulfill(status=204))[1])
    await page.goto(authorize(product, "calendar", f"{elsewhere.url}/cb"))
    await examine(page)
    await page.get_by_role("button", name="Allow").click()
    await expect_heading(page, "Going back to Calendar Thing")
    await examine(page)
    await page.get_by_role("link", name="Go on").click()
    await expect_heading(page, "Going back to Calendar Thing")
    await page.wait_for_timeout(100)
    assert referred
    assert set(referred) == {None}, "our addresses are nobody's to read"
    await page.unroute_all()


@ON_BOTH_SCREENS
async def test_an_app_s_sign_out_is_confirmed_here(
    browsers: Browsers, product: Product, elsewhere: Stranger, alice: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    asked = {"client_id": "calendar", "post_logout_redirect_uri": f"{elsewhere.url}/bye"}
    await page.goto(f"{product.url}/oauth/sign-out?{urlencode(asked)}")
    await expect_heading(page, "Sign out?")
    await examine(page)
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{elsewhere.url}/bye")
    assert not await is_signed_in(page, product)
