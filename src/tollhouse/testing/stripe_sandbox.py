"""Stripe's sandbox for tests: on a port of its own for any client, or in process for the official SDK."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.sandbox.serving import serving

if TYPE_CHECKING:
    import stripe

    from tollhouse.settings import Settings

START_SECONDS_MAX: Final = 15.0
REQUEST_SECONDS_MAX: Final = 60.0


class ServedSandbox:
    """A sandbox on a free port of the loopback, in a thread of its own: `with ServedSandbox() as stripe`.

    For tests without an event loop, and for what is not Python. Arguments are those of `Sandbox`.
    """

    api_key: Final = API_KEY

    def __init__(self, **arguments: Any) -> None:
        """Prepare; it runs inside the block."""
        self._arguments = arguments
        self._is_up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stripe-sandbox", daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        """Start it, and return once it answers. Raises what kept it from starting."""
        self._thread.start()
        if not self._is_up.wait(START_SECONDS_MAX):
            raise TimeoutError(f"the sandbox did not start within {START_SECONDS_MAX} s")
        if self._failure is not None:
            raise self._failure
        self._client = httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS_MAX, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, and forget everything."""
        self._client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to `/control{path}` and return the reply's JSON. Raises `httpx.HTTPStatusError`."""
        reply = self._client.post("/control" + path, json=body or {})
        reply.raise_for_status()
        return reply.json()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits for the start)
            self._failure = error
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(Sandbox(**self._arguments)) as self.url:
            self._is_up.set()
            await self._stop.wait()


def stripe_client(sandbox: Sandbox, **options: Any) -> stripe.StripeClient:
    """Return the official SDK's client on a sandbox in process, for its `…_async` methods.

    `options` are those of `stripe.StripeClient`. Needs the package `stripe`.
    """
    import stripe

    return stripe.StripeClient(API_KEY, http_client=sdk_http_client(sandbox), **options)


async def join_sandbox(sandbox: Sandbox, settings: Settings) -> Settings:
    """Return settings with the secret of a webhook endpoint made for them at the sandbox."""
    from tollhouse.billing.setup import EVENT_TYPES, WEBHOOK_PATH
    from tollhouse.billing.stripe_account import API_VERSION

    fields: dict[str, Any] = {"url": settings.url + WEBHOOK_PATH, "api_version": API_VERSION}
    fields |= {f"enabled_events[{number}]": name for number, name in enumerate(EVENT_TYPES)}
    async with sandbox.client() as client:
        endpoint = (await client.post("/v1/webhook_endpoints", data=fields)).raise_for_status().json()
    return settings.model_copy(update={"stripe_webhook_secrets": (endpoint["secret"],)})


def sdk_http_client(sandbox: Sandbox) -> Any:
    """Return an HTTP client for the official SDK that carries its requests to the sandbox, without a socket."""
    import stripe

    class InProcess(stripe.HTTPClient):
        """Carries the SDK's requests to the sandbox's application."""

        name = "sandbox"

        def __init__(self) -> None:
            super().__init__()  # pyright: ignore[reportUnknownMemberType]  (untyped there)
            self._http = sandbox.client()

        async def request_async(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
            path = "/" + url.split("/", 3)[3]
            try:
                reply = await self._http.request(method, path, headers=headers, content=post_data or None)
            except httpx.TransportError as error:
                raise stripe.APIConnectionError(str(error), should_retry=True) from error
            return reply.content, reply.status_code, reply.headers

        async def sleep_async(self, secs: float) -> None:
            await asyncio.sleep(secs)

        async def close_async(self) -> None:
            await self._http.aclose()

    return InProcess()
