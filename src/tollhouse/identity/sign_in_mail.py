"""The mail with the link: how it waits in the outbox, and how the worker sends it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Final

from tollhouse.clock import DAY
from tollhouse.events.deliveries import Delivery
from tollhouse.events.outcomes import HOST, Expired, GiveUp, Retry, Skip
from tollhouse.identity import suppressions, users
from tollhouse.mail.errors import MailDeferred, MailInvalid, MailRefused
from tollhouse.mail.message import Mail
from tollhouse.mail.sign_in import sign_in_mail
from tollhouse.mail.transport import Transport
from tollhouse.runtime import Runtime
from tollhouse.telemetry import metrics

SUPPRESSED_US: Final = 3 * DAY  # a mailbox that did not exist may exist after all


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """What is sealed until the mail is written; written late, so that a rebrand or a new template reaches it."""

    to: str
    token: str
    code: str
    asked_from: str
    address_digest: str

    def to_json(self) -> bytes:
        """Return it as bytes to seal."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> WaitingMail:
        """Return what `to_json` made."""
        return cls(**json.loads(data))


def runner(run: Runtime, transport: Transport) -> Callable[[Delivery], Awaitable[None]]:
    """Return what sends one waiting mail."""

    async def send(delivery: Delivery) -> None:
        if delivery.expires_at is not None and delivery.expires_at <= run.now_us:
            metrics.links.labels(outcome="mail_expired").inc()
            raise Expired("The link in it had expired.")
        if delivery.sealed is None:
            raise GiveUp("Its content is gone.")
        waiting = WaitingMail.from_json(run.keys.open_mail(delivery.sealed, delivery_id=delivery.id))
        await _check_recipient(run, bytes.fromhex(waiting.address_digest))
        try:
            await transport.send(write(run, waiting, delivery.id))
        except MailRefused as error:
            if error.recipient_unknown:
                await suppressions.add(
                    run, bytes.fromhex(waiting.address_digest), reason=error.detail, for_us=SUPPRESSED_US
                )
            raise GiveUp(error.detail) from error
        except MailInvalid as error:
            raise GiveUp(error.detail) from error
        except MailDeferred as error:
            if error.may_have_been_sent and delivery.attempts > 1:  # two may be there already; a third is no help
                raise GiveUp("It left twice without an answer: " + error.detail) from error
            raise Retry(("" if is_about_recipient(error) else HOST) + error.detail) from error
        metrics.links.labels(outcome="mailed").inc()

    return send


async def _check_recipient(run: Runtime, address_digest: bytes) -> None:
    """Decide here, where no asker waits and measures, who gets no mail."""
    reason = await users.why_no_mail(run, address_digest)
    if reason is not None:
        raise Skip(reason)


def is_about_recipient(error: MailDeferred) -> bool:
    """Whether one mailbox is slow to take mail (greylisting, full), rather than the mail server for everybody."""
    return error.stage in ("rcpt", "data") and error.smtp_code is not None and not error.operator_problem


def write(run: Runtime, waiting: WaitingMail, delivery_id: str) -> Mail:
    """Return the mail; the link is built from the configured URL and nothing else."""
    settings = run.settings
    return sign_in_mail(
        to=waiting.to,
        link=f"{settings.url}/auth/callback#{waiting.token}",
        code=waiting.code,
        lifetime_seconds=settings.magic_link_lifetime_seconds,
        site_name=settings.brand_name,
        site_color=settings.brand_color,
        asked_from=waiting.asked_from,
        message_id=delivery_id,
    )
