"""Calls to other servers, to addresses that were checked."""

from __future__ import annotations

from tollhouse.outbound.addresses import Reach
from tollhouse.outbound.client import Outbound, OutboundLimits, Reply
from tollhouse.outbound.errors import OutboundError, OutboundFailed, OutboundRefused, OutboundTimedOut, ReplyRefused
from tollhouse.outbound.line import Line
from tollhouse.outbound.targets import Target

__all__ = [
    "Line",
    "Outbound",
    "OutboundError",
    "OutboundFailed",
    "OutboundLimits",
    "OutboundRefused",
    "OutboundTimedOut",
    "Reach",
    "Reply",
    "ReplyRefused",
    "Target",
]
