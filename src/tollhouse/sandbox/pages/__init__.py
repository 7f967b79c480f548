"""What people see: Checkout, the billing portal, invoices and receipts, and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from tollhouse.sandbox.pages import assets, authenticate, checkout, dashboard, invoices, portal
from tollhouse.sandbox.pages.site import Site

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox


def routes(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Return the routes of all pages; they read and change this sandbox."""
    site = Site(sandbox)
    for part in (authenticate, checkout, portal, invoices, dashboard):
        part.add_routes(site)
    return [*assets.routes(), *site.routes]
