"""Every page in every state, as the running product shows it: readable for all, and quiet in the console."""

from __future__ import annotations

import pytest

from .looks import examine
from .people import Browsers
from .product import Product
from .states_billing import STATES
from .states_inside import mail

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

# A mail is no page: it has no landmarks, and its sandboxed frame lets no script measure it.
NO_PAGE = frozenset({"mail_as_html"})


@pytest.mark.parametrize("name", sorted(STATES.keys() - NO_PAGE))
async def test_axe_finds_nothing(browsers: Browsers, product: Product, name: str) -> None:
    await examine(await STATES[name](browsers, product))


async def test_axe_finds_nothing_in_the_mail(browsers: Browsers, product: Product) -> None:
    page = await mail(browsers, product)
    address = await page.locator("iframe").first.get_attribute("src")
    html = await (await page.request.get(f"{product.url}{address}")).text()
    await page.goto("about:blank")
    await page.set_content(html)
    await examine(page, rules_off=("region", "landmark-one-main"))
