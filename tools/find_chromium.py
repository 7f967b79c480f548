"""Print the path of the Chromium that the browser tests drive; exit 1 where there is none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_playwrights_own() -> str | None:
    """The browser that `playwright install` put into its cache, if it did."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find_chromium() -> str | None:
    """The path of a Chromium: the one named in TOLLHOUSE_CHROMIUM, the system's, or Playwright's own."""
    named = os.environ.get("TOLLHOUSE_CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    return next(filter(None, map(shutil.which, NAMES)), None) or find_playwrights_own()


if __name__ == "__main__":
    found = find_chromium()
    print(found or "no Chromium found")
    sys.exit(0 if found else 1)
