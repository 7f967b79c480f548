"""What an app gets, and what it answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

from tollhouse.clock import SECOND
from tollhouse.events import Event

ANSWER_BYTES_MAX: Final = 2048  # kept of each answer
TEST: Final = "test"  # the type of what `tollhouse endpoints test` sends; it tells of nothing


def body_of(event: Event, *, address: str | None = None) -> str:
    """Return the JSON that an app gets of an event."""
    data = {**event.data, "email": address} if address is not None else event.data
    head = {"id": event.id, "type": event.type, "sequence": event.sequence}
    return json.dumps(head | {"created_at": iso_us(event.created_at), "data": data}, separators=(",", ":"))


def iso_us(time_us: int) -> str:
    """Return a time as ISO 8601 in UTC with all six decimals."""
    moment = datetime.fromtimestamp(time_us // SECOND, UTC).replace(microsecond=time_us % SECOND)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def says_applied(body: bytes) -> bool:
    """Whether an app answered that it has done what the event asks of it: `{"applied": true}`."""
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and cast("dict[str, Any]", answer).get("applied") is True


def pause_asked(retry_after: str | None, *, now: datetime) -> float:
    """Return how many seconds `Retry-After` asks for, as a number or a date (RFC 9110, 10.2.3); 0 for nonsense."""
    if retry_after is None:
        return 0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, (moment - now).total_seconds())
