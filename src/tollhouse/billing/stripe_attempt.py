"""One attempt at a call to Stripe, and what its answer means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tollhouse.billing.errors import StripeRefused, StripeUnavailable
from tollhouse.billing.stripe_http import ATTEMPT_SECONDS_MAX

if TYPE_CHECKING:
    import stripe

TOO_MANY: Final = 429
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that brought nothing: whether another one may, and what it comes to where none is made."""

    error: StripeUnavailable | StripeRefused
    can_retry: bool
    was_answered: bool  # Stripe lives, whatever it said
    why: str
    retry_after_seconds: float = 0.0
    request_id: str | None = None


async def attempt(
    client: stripe.StripeClient, method: str, path: str, parameters: Mapping[str, Any], idempotency_key: str | None
) -> dict[str, Any] | Failed:
    """Return the object that Stripe answered with, or how it failed."""
    import aiohttp
    import stripe

    options = {"idempotency_key": idempotency_key} if idempotency_key else {}
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS_MAX):
            reply: Any = await client.raw_request_async(method, path, **parameters, **options)  # pyright: ignore[reportUnknownMemberType]  (untyped there)
    except stripe.APIConnectionError as error:
        return _lost(type(error.__cause__ or error).__name__)
    except stripe.StripeError as error:
        return _read_error(error)
    except (aiohttp.ClientError, OSError, UnicodeDecodeError, AttributeError) as error:
        # The SDK lets out what its HTTP client raises while a body is read, and stumbles itself over one that is no
        # text, or whose `error` is one.
        return _lost(type(error).__name__)
    return _object(reply.data) or _lost("not_an_object")


def _lost(why: str) -> Failed:
    """Return the failure of an attempt whose effect nobody knows: the kept key makes the next one safe."""
    return Failed(StripeUnavailable(), can_retry=True, was_answered=False, why=why)


def _read_error(error: stripe.StripeError) -> Failed:
    status = error.http_status or 0
    if 200 <= status < 300:
        return _lost("body_invalid")
    headers = {name.lower(): value for name, value in dict(cast("Mapping[str, str]", error.headers or {})).items()}
    replayed = headers.get("idempotent-replayed") == "true"
    is_theirs = status >= 500 or status in (TOO_MANY, CONFLICT)
    asked = headers.get("stripe-should-retry")
    after = _read_seconds(headers.get("retry-after"))
    return Failed(
        StripeUnavailable(retry_after_seconds=max(1, round(after)) if after else 10, key_is_spent=replayed)
        if is_theirs
        else _refusal(error, status),
        can_retry=asked == "true" or (asked != "false" and is_theirs and not replayed),
        was_answered=status < 500 or replayed,
        why=f"status_{status}",
        retry_after_seconds=after,
        request_id=headers.get("request-id"),
    )


def _refusal(error: stripe.StripeError, status: int) -> StripeRefused:
    told = _object(_object(error.json_body).get("error"))
    texts: dict[str, str] = {name: value for name, value in told.items() if isinstance(value, str)}
    code = texts.get("code")
    return StripeRefused(
        f"Stripe refused a request of ours: {status} {code or texts.get('type', '')} {texts.get('param', '')}".rstrip(),
        stripe_code=code,
        param=texts.get("param"),
        stripe_type=texts.get("type"),
        http_status=status,
        stripe_message=texts.get("message"),
    )


def _object(value: Any) -> dict[str, Any]:
    """Return a JSON object, and an empty one for anything else: what stands before Stripe may answer in its place."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read_seconds(value: str | None) -> float:
    """Return the seconds of `Retry-After`; Stripe sends no dates there."""
    try:
        return max(0.0, float(value or 0))
    except ValueError:
        return 0.0
