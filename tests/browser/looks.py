"""What a page is held to, whatever it says: axe finds nothing, and it fits both screens and both schemes."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

from .people import DESKTOP, PHONE

RUN_AXE = """async (only) => {
  const rules = only ? {runOnly: only} : {rules: {"target-size": {enabled: true}}};
  const {violations} = await axe.run(document, {iframes: false, resultTypes: ["violations"], ...rules});
  return violations.map((found) => [found.id, ...found.nodes.map((node) => node.html)]);
}"""


async def examine(page: Page, *, rules_off: tuple[str, ...] = ()) -> None:
    """Hold the page to it, at both widths, light and dark."""
    await page.evaluate(AXE_SCRIPT)
    await page.emulate_media(color_scheme="dark")  # changes colours and nothing else
    assert await page.evaluate(RUN_AXE, ["color-contrast"]) == []
    await page.emulate_media(color_scheme="light")
    for screen in (DESKTOP, PHONE):
        await page.set_viewport_size(screen)
        found = [each for each in await page.evaluate(RUN_AXE, None) if each[0] not in rules_off]
        assert found == [], screen
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), screen
