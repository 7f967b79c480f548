"""The route of stylesheet, scripts and icon."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.pages.rendering import Pages
from tollhouse.pages.replies import Reply
from tollhouse.pages.routing import PlainRoute

router: Final = APIRouter(route_class=PlainRoute)


@router.get("/auth/static/{name}", include_in_schema=False)
async def show_asset(request: Request) -> Response:
    """One asset, kept for ever by browsers under its versioned address."""
    pages: Pages = request.app.state.tollhouse_web.pages
    asset = pages.asset(request.path_params["name"])
    headers = [
        (b"content-type", asset.media_type.encode()),
        (b"cache-control", asset.cache_control(request.query_params.get("v")).encode()),
        (b"etag", asset.etag.encode()),
    ]
    if request.headers.get("if-none-match") == asset.etag:
        return Reply(b"", status=304, headers=headers)
    return Reply(asset.body, headers=headers)
