"""Error reports to Sentry, where a DSN is set; without bodies, cookies, local variables or addresses."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.errors import SettingsError
from tollhouse.telemetry.logs import redact

MISSING: Final = "TOLLHOUSE_SENTRY_DSN is set but sentry-sdk is not installed: pip install 'tollhouse[sentry]'."


def configure(dsn: str | None) -> None:
    """Report unhandled errors to this DSN, or to nobody; raise `SettingsError` if the SDK is missing."""
    if dsn is None:
        return
    try:
        import sentry_sdk
    except ImportError as error:
        raise SettingsError([MISSING]) from error
    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        include_local_variables=False,  # they hold tokens and addresses
        max_request_body_size="never",
        before_send=scrub,
    )


def scrub(event: Any, _hint: Any) -> Any:
    """Return the event without its request, and with every text redacted as in the logs."""
    event.pop("request", None)
    event.pop("breadcrumbs", None)
    return _redact(event)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redact(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_redact(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value
