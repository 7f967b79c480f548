"""Make the README's pictures from the running product: `python -m tests.browser.make_images` in the repository."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.support.processes import spawn
from tools.find_chromium import find_chromium

from .people import Browsers, Watch, be_mailed, be_signed_in
from .product import Product
from .states_billing import bought

IMAGES = Path(__file__).parents[2] / "docs" / "images"
IMAGE_BYTES_MAX = 70_000
FRAME: ViewportSize = {"width": 400, "height": 480}
FRAME_OF_PRICING: ViewportSize = {"width": 800, "height": 760}
FRAME_OF_BILLING: ViewportSize = {"width": 640, "height": 880}
FLAT = "body { background-image: none !important }"  # a gradient alone would weigh as much as everything else
ENV = {"TOLLHOUSE_BRAND_NAME": "Harbour Notes"}


async def draw(product: Product, chromium: Browser) -> None:
    """Take each picture where a person would see it."""
    context = await chromium.new_context(viewport=FRAME, device_scale_factor=1.4, bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{product.url}/auth/sign-in")
    await page.get_by_label("E-mail address").fill("alice@example.com")
    await keep(page, "sign-in")
    await be_mailed(page, product, "alice@example.com")
    await page.goto(f"{product.url}/dev/mail/1/html")
    await keep(page, "mail")
    other = Browsers(chromium, Watch())
    mail = await be_mailed(await other.page(), product, "bob@example.com")
    await page.goto(mail.link)
    await page.get_by_role("button", name="Sign in as").wait_for()
    await keep(page, "another-browser")


async def draw_till(product: Product, chromium: Browser) -> None:
    """Take the pages of the till, of somebody who has a plan and credits."""
    context = await chromium.new_context(viewport=FRAME_OF_PRICING, bypass_csp=True)
    page = await context.new_page()
    await be_signed_in(page, product, "carol@example.com")
    await bought(page, product, "starter-monthly")
    await bought(page, product, "credits-100")
    await page.goto(f"{product.url}/billing/pricing")
    await keep(page, "pricing")
    await page.set_viewport_size(FRAME_OF_BILLING)
    await page.goto(f"{product.url}/account/billing")
    await keep(page, "billing")


async def keep(page: Page, name: str) -> None:
    """Save what the tab shows, if it is light enough for a README."""
    image = await page.screenshot(style=FLAT)
    if len(image) > IMAGE_BYTES_MAX:
        raise SystemExit(f"{name}.png is {len(image)} bytes, more than {IMAGE_BYTES_MAX}")
    (IMAGES / f"{name}.png").write_bytes(image)
    print(f"{name}.png {len(image)} bytes")


async def main() -> None:
    """Start the product and a browser, and draw."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with spawn(["dev", "--port", "{port}", "--data", str(folder / "data")], ENV, folder=folder) as process:
            await process.answers("/health/ready")
            async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client, async_playwright() as driver:
                chromium = await driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
                product = Product(f"http://localhost:{process.port}", client)
                await draw(product, chromium)
                await draw_till(product, chromium)
                await chromium.close()


if __name__ == "__main__":
    asyncio.run(main())
