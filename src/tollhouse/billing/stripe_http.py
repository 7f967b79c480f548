"""The official SDK's client, made without the event loop waiting for its import."""

from __future__ import annotations

import asyncio
import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import stripe

    from tollhouse.settings import Settings

API_VERSION: Final = "2026-10-28.endive"
ATTEMPT_SECONDS_MAX: Final = 5.0
CONNECT_SECONDS_MAX: Final = 3.0
CONNECTIONS_MAX: Final = 50


async def open_client(settings: Settings, http_client: Any) -> tuple[stripe.StripeClient, stripe.HTTPClient]:
    """Return the SDK's client and what carries its requests: `http_client`, also one of the SDK's, or the network."""
    # Half a second of imports: in the loop they would stop everything else for so long.
    tls = await asyncio.to_thread(_import)
    carrier = http_client or _make_http_client(tls)
    return await asyncio.to_thread(_build, settings, carrier), carrier


def _import() -> ssl.SSLContext:
    import stripe

    # These are the SDK's own switches, for the whole process. Without the first it would keep a file in the home
    # folder and tell Stripe how long requests take.
    stripe.enable_telemetry = False
    if stripe.app_info is None:  # a host that has named itself stays who it is
        stripe.set_app_info("Tollhouse", version=version("tollhouse"))
    return ssl.create_default_context(cafile=stripe.ca_bundle_path)


def _make_http_client(tls: ssl.SSLContext) -> stripe.HTTPClient:
    """Return the SDK's client for aiohttp, in the event loop that will use it."""
    import aiohttp
    import stripe

    timeout = aiohttp.ClientTimeout(total=ATTEMPT_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    connector = aiohttp.TCPConnector(ssl=tls, limit=CONNECTIONS_MAX)
    return stripe.AIOHTTPClient(timeout=timeout, connector=connector)


def _build(settings: Settings, http_client: Any) -> stripe.StripeClient:
    import stripe

    assert settings.stripe_api_key is not None, "there is no till"
    return stripe.StripeClient(
        settings.stripe_api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": settings.stripe_api_base},
        max_network_retries=0,  # ours know Retry-After, the deadline of the call, and the circuit
        http_client=http_client,
    )
