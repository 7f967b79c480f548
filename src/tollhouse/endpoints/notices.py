"""Notices: mails to the admins about what needs a person."""

from __future__ import annotations

import html
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from tollhouse.clock import DAY
from tollhouse.db import Transaction
from tollhouse.events.deliveries import Delivery
from tollhouse.events.outbox import ADD_DELIVERY, NOTICE, delivery_row
from tollhouse.events.outcomes import HOST, Expired, GiveUp, Retry
from tollhouse.mail.errors import MailDeferred, MailInvalid, MailRefused
from tollhouse.mail.message import Mail
from tollhouse.mail.transport import Transport
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

log = structlog.get_logger()

KEPT_US: Final = 5 * DAY


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sealed until it is sent."""

    to: str
    subject: str
    text: str


async def tell_admins(run: Runtime, *, subject: str, text: str) -> None:
    """Queue a mail to everybody in ADMIN_EMAILS, where mail can be sent at all; what it says is logged elsewhere."""
    if not run.settings.has_gate:
        return

    async def work(tx: Transaction) -> None:
        now = run.now_us
        for address in run.settings.admin_emails:
            delivery_id = create_id("dlv", now)
            notice = json.dumps(asdict(Notice(address, f"{run.settings.brand_name}: {subject}", text)))
            sealed = run.keys.seal_mail(notice.encode(), delivery_id=delivery_id)
            row = delivery_row(now_us=now, id=delivery_id, subscriber=NOTICE, sealed=sealed, expires_at=now + KEPT_US)
            await tx.execute(ADD_DELIVERY, **row)

    await run.db.transact(work)
    run.outbox.wake(NOTICE)


def runner(run: Runtime, transport: Transport) -> Callable[[Delivery], Awaitable[None]]:
    """Return what sends one waiting notice."""

    async def send(delivery: Delivery) -> None:
        if delivery.expires_at is not None and delivery.expires_at <= run.now_us:
            raise Expired("It had waited too long.")
        if delivery.sealed is None:
            raise GiveUp("Its content is gone.")
        notice = Notice(**json.loads(run.keys.open_mail(delivery.sealed, delivery_id=delivery.id)))
        try:
            await transport.send(mail_of(notice, delivery.id))
        except (MailRefused, MailInvalid) as error:
            raise GiveUp(error.detail) from error
        except MailDeferred as error:
            raise Retry(HOST + error.detail) from error

    return send


def mail_of(notice: Notice, delivery_id: str) -> Mail:
    """Return the mail: the same text twice, plain and as it is."""
    page = f'<pre style="font: 15px/1.5 sans-serif; white-space: pre-wrap">{html.escape(notice.text)}</pre>'
    return Mail(notice.to, notice.subject, notice.text, page, delivery_id)
