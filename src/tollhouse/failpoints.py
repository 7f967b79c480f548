"""Named points at which a test kills this process as a power cut would; armed by the environment, else nothing."""

from __future__ import annotations

import os
import signal
from typing import Final

ARMED: Final = os.environ.get("TOLLHOUSE_FAILPOINT", "")
_name, _, _count = ARMED.partition(":")
_passes_left = int(_count or 1)

POINTS: Final = (
    "link.before_commit",
    "link.committed",
    "redeem.before_commit",
    "redeem.committed",
    "delivery.claimed",
    "delivery.run",
    "delivery.finished",
)


def reach(name: str) -> None:
    """Die here by SIGKILL if this point is armed: `TOLLHOUSE_FAILPOINT=name` or `name:3` for the third pass."""
    global _passes_left  # noqa: PLW0603 (one process dies once)
    if name != _name:
        return
    _passes_left -= 1
    if _passes_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
