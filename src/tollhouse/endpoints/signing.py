"""Signatures by Standard Webhooks, so that apps check them with a library they can get anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tollhouse.endpoints.secrets import Secret


class Signer:
    """Signs with every living secret: an app that knows one of them is content."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        """Take the secrets, the newest first."""
        self._webhooks = [(secret, Webhook(secret.text)) for secret in secrets]

    def headers(self, event_id: str, body: str, *, now_us: int) -> dict[str, str]:
        """Return the three headers of Standard Webhooks, signed by what is not past its end.

        The time in them is this machine's, not the product's, which tests and `tollhouse dev` turn: apps refuse what
        is more than five minutes off, by a clock of their own.
        """
        now = datetime.now(UTC)
        living = [webhook for secret, webhook in self._webhooks if secret.signs_at(now_us)]
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(webhook.sign(event_id, now, body) for webhook in living),
        }
