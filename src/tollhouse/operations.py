"""Routes for whoever runs Tollhouse: health and metrics."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any, Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.billing.freshness import Freshness
from tollhouse.errors import DatabaseUnavailable, NotFound
from tollhouse.identity.web import run_of, web_of
from tollhouse.pages.replies import Reply, reply_json
from tollhouse.pages.routing import PlainRoute
from tollhouse.telemetry.metrics import registry

router: Final = APIRouter(route_class=PlainRoute, tags=["Operations"])


class HealthReply(BaseModel):
    """Whether it works, and each thing it needs."""

    status: str = Field(examples=["ok"])
    checks: dict[str, str] = Field(examples=[{"database": "ok", "mail": "ok"}])


@router.get("/health/live", summary="Is the process alive", responses={200: {"model": HealthReply}})
async def show_live(request: Request) -> Response:
    """Answer while this process can; asks nothing of anybody else."""
    broken = run_of(request).db.is_broken
    return reply_json({"status": "failed" if broken else "ok", "checks": {}}, status=503 if broken else 200)


@router.get(
    "/health/ready",
    summary="Can it serve",
    responses={200: {"model": HealthReply}, 503: {"model": HealthReply}},
)
async def show_ready(request: Request) -> Response:
    """Check everything that a request may need."""
    run = run_of(request)
    checks: dict[str, Any] = {"database": "ok", "mail": "ok"}
    try:
        await run.db.now_us()
    except DatabaseUnavailable as error:
        checks["database"] = error.detail
    if run.outbox.mail_waits_since is not None and run.now_us - run.outbox.mail_waits_since > 120_000_000:
        checks["mail"] = "mails have waited over two minutes"  # said, but no reason to take the replica out
    fresh: Freshness | None = request.app.state.tollhouse_freshness
    if fresh is not None:
        checks["stripe"] = fresh.note or "ok"  # likewise
    ready = checks["database"] == "ok"
    return reply_json({"status": "ok" if ready else "failed", "checks": checks}, status=200 if ready else 503)


@router.get("/metrics", include_in_schema=False)
async def show_metrics(request: Request) -> Response:
    """Give Prometheus its numbers: to whoever holds METRICS_TOKEN, or to plain-http loopback; else be not there."""
    if not _may_read_metrics(request):
        raise NotFound
    return Reply(generate_latest(registry), headers=((b"content-type", CONTENT_TYPE_LATEST.encode()),))


def _may_read_metrics(request: Request) -> bool:
    token = web_of(request).settings.metrics_token
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {token}".encode())
    if web_of(request).settings.is_https:
        return False  # behind a proxy on this machine everybody comes from loopback, and not every proxy says so
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    peer = request.client.host if request.client else ""
    try:
        return not forwarded and ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
