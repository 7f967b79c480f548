"""What can go wrong with a call to another server, each with a short reason for logs and metrics.

To whoever asked us, all of them say the same: the differences would let a stranger explore our network by URLs.
"""

from __future__ import annotations

from tollhouse.errors import TollhouseError


class OutboundError(TollhouseError):
    """The other server could not be called."""

    code = "outbound_error"
    status = 502

    def __init__(self, reason: str, detail: str | None = None) -> None:
        """Keep the reason: one constant word; the detail may name a host, never a path or a query."""
        self.reason = reason
        super().__init__(detail)


class OutboundRefused(OutboundError):
    """This URL is not called from here."""

    code = "outbound_refused"  # reasons: url, address


class OutboundFailed(OutboundError):
    """The other server could not be reached, or did not speak HTTP."""

    code = "outbound_failed"  # reasons: resolve, connect, tls, protocol


class OutboundTimedOut(OutboundError):
    """The other server took too long."""

    code = "outbound_timed_out"  # reason: timeout


class ReplyRefused(OutboundError):
    """The other server replied with what is not taken."""

    code = "outbound_reply_refused"  # reasons: redirect, too_large, encoding
