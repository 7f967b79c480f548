"""Structured logs: one event name a line, the request's id with it, nothing secret or personal."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

# The last net, not the first: nothing of this kind is ever given to the logger on purpose.
ADDRESS: Final = re.compile(r"[^\s@<>\"'=,;:]+@[^\s@<>\"',;:]+\.[^\s@<>\"',;:]+")
TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]{43}|th_sk_\w+|sk_(?:live|test)_\w+|whsec_\S+)(?![A-Za-z0-9_-])"
)
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def redact(text: str) -> str:
    """Return the text without what looks like an address or a token, on one line."""
    return CONTROL.sub(" ", TOKEN.sub("[token]", ADDRESS.sub("[address]", text)))


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(log_format: Literal["json", "console"]) -> None:
    """Send log lines to standard error, as JSON or for reading."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
