"""Named points at which a test kills this process as a power cut would; armed by the environment, else nothing."""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = (
    "link.before_commit",
    "link.committed",
    "redeem.before_commit",
    "redeem.committed",
    "delivery.claimed",
    "delivery.run",
    "delivery.finished",
)
MONEY_POINTS: Final = (
    "checkout.row_committed",
    "checkout.session_made",
    "checkout.stored",
    "webhook.before_commit",
    "webhook.committed",
    "spend.before_commit",
    "spend.committed",
    "capture.before_commit",
    "capture.committed",
    "reconcile.repaired",
)

_name = ""
_passes_left = 0


def arm(point: str) -> None:
    """Have this process die at `name`, or at `name:3` on the third pass; at none for an empty text."""
    global _name, _passes_left  # noqa: PLW0603 (one process dies once)
    _name, _, count = point.partition(":")
    _passes_left = int(count or 1)


def reach(name: str) -> None:
    """Die here by SIGKILL if this point is armed: `TOLLHOUSE_FAILPOINT=name` or `name:3` for the third pass."""
    global _passes_left  # noqa: PLW0603 (one process dies once)
    if name != _name:
        return
    _passes_left -= 1
    if _passes_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("TOLLHOUSE_FAILPOINT", ""))
