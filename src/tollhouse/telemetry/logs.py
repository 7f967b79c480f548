"""Structured logs: one event name a line, the request's id with it, nothing secret or personal."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

# The last net, not the first: nothing of this kind is ever given to the logger on purpose.
ADDRESS: Final = re.compile(r"[^\s@<>\"'=,;:]+@[^\s@<>\"',;:]+\.[^\s@<>\"',;:]+")
TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]{43,}|th_sk_\w+|sk_(?:live|test)_\w+|whsec_\S+)(?![A-Za-z0-9_-])"
)
TOKEN_LENGTH_MIN: Final = 43
SECRET_MARKS: Final = ("sk_", "whsec_")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ENCODER: Final = json.JSONEncoder(default=repr)
LINE_END: Final = "\n"
TRACEBACK: Final = "exception"  # the one key whose text has lines


def redact(text: str) -> str:
    """Return the text without what looks like an address or a token, on one line, so that it cannot forge another."""
    # The plain questions come first, for the patterns cost more than all the rest of a log line.
    if "@" in text:
        text = ADDRESS.sub("[address]", text)
    if len(text) >= TOKEN_LENGTH_MIN or any(mark in text for mark in SECRET_MARKS):
        text = TOKEN.sub("[token]", text)
    return text if text.isprintable() else CONTROL.sub(" ", text)


def _redact_value(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else redact(str(value))


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key == TRACEBACK:
            event[key] = LINE_END.join(redact(line) for line in str(value).split(LINE_END))
        else:
            event[key] = _redact_value(value)
    return event


def encode(event: Any, **_: Any) -> str:
    """Return a log line as JSON; `json.dumps` would make an encoder for each."""
    return ENCODER.encode(event)


class StandardError:
    """Writes whole lines to whatever standard error is at that moment."""

    def msg(self, line: str) -> None:
        """Write one line in one piece, so that two processes cannot mix theirs."""
        sys.stderr.write(line + LINE_END)
        sys.stderr.flush()

    debug = info = warning = error = critical = fatal = log = msg


def configure_unless_done(log_format: Literal["json", "console"]) -> None:
    """Configure the log, unless the host application has configured structlog for itself.

    Without this a mounted Tollhouse would log as structlog does by default: with the local variables of every frame in
    a traceback, which are exactly the addresses, tokens and keys that must not travel (L7).
    """
    if not structlog.is_configured():
        configure(log_format)


def configure(log_format: Literal["json", "console"]) -> None:
    """Send log lines to standard error, as JSON or for reading."""
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=encode)
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
        logger_factory=lambda *_: StandardError(),
        cache_logger_on_first_use=True,
    )
