"""Every route of an application, those of included routers too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Method and template of every route."""
    return {(method, route.path) for route in _flat(app.routes) for method in route.methods if method != "HEAD"}


def _flat(routes: Iterable[Any]) -> Iterable[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _flat(inner.routes)
        elif getattr(route, "methods", None):
            yield route
