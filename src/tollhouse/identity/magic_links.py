"""Magic links: asked for, looked at as often as anybody likes, redeemed once."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import BigInteger, and_, bindparam, case, delete, insert, select, update

from tollhouse.clock import DAY, SECOND
from tollhouse.db import Statement, Together, some
from tollhouse.errors import TollhouseError
from tollhouse.events import outbox
from tollhouse.failpoints import reach
from tollhouse.identity import link_limits, redirects, sign_in_mail
from tollhouse.identity.errors import LinkExpired, LinkInvalid, LinkReplaced, LinkUsed, MailUnavailable
from tollhouse.identity.link_contents import Content, browser_key, open_content, seal_content, token_key
from tollhouse.identity.tables import magic_links as table
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_code, create_id, create_token, digest, parse_token, secret_of
from tollhouse.telemetry import metrics

log = structlog.get_logger()

MAIL_WAIT_US_MAX: Final = 120 * SECOND
EXPIRED_KEPT_US: Final = DAY  # so long one click in the asking browser sends a new mail


@dataclass(frozen=True, slots=True)
class MagicLink:
    """A link as it is stored."""

    id: str
    token_hash: bytes
    code_hash: bytes
    browser_hash: bytes
    address_digest: bytes
    email: bytes | None
    email_for_browser: bytes | None
    created_at: int
    expires_at: int
    used_at: int | None
    link_session_id: str | None
    code_used_at: int | None
    ended_at: int | None
    code_tries: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the asker is told; the same for every address."""

    magic_link_id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A live link with its address."""

    link: MagicLink
    email: str
    next_url: str
    asks: bool
    same_browser: bool


COLUMNS: Final = tuple(table.c[name] for name in MagicLink.__dataclass_fields__)
_live = and_(table.c.ended_at.is_(None), table.c.expires_at > bindparam("now"))

END_OLDER: Final = Statement(
    update(table)
    .where(
        table.c.browser_hash == bindparam("browser_hash"),
        table.c.ended_at.is_(None),
        table.c.code_used_at.is_(None),  # one that was used elsewhere ends too: its code would be the second one alive
    )
    .values(ended_at=bindparam("created_at"), email=None, email_for_browser=None),
    str,
)
ADD: Final = Statement(
    insert(table).values(
        {
            "id": bindparam("link_id"),
            **{name: bindparam(name) for name in ("token_hash", "code_hash", "browser_hash", "address_digest")},
            **{name: bindparam(name) for name in ("email", "email_for_browser", "created_at", "expires_at")},
            "code_tries": 0,
        }
    ),
    str,
)
ASK: Final = Together(END_OLDER, ADD, outbox.ADD_DELIVERY)
FIND: Final = Statement(select(*COLUMNS).where(table.c.token_hash == bindparam("token_hash")), MagicLink)
_same_browser = table.c.browser_hash == bindparam("browser")
USE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("link_id"), table.c.used_at.is_(None), table.c.code_used_at.is_(None), _live)
    .values(
        used_at=bindparam("now"),
        link_session_id=bindparam("session_id"),
        code_used_at=case((_same_browser, bindparam("now", type_=BigInteger)), else_=None),
        email=None,
        email_for_browser=case((_same_browser, None), else_=table.c.email_for_browser),
    ),
    str,
)
FORGET_CODES: Final = Statement(
    update(table)
    .where(*some(table.c.id, table.c.expires_at <= bindparam("now"), table.c.email_for_browser.is_not(None)))
    .values(email_for_browser=None),
    str,
)
SWEEP: Final = Statement(delete(table).where(*some(table.c.id, table.c.expires_at <= bindparam("before"))), str)


def browser_hash(browser: str | None) -> bytes:
    """Return what a browser is known by; one without our cookie matches no row."""
    secret = parse_token(browser)
    return b"" if secret is None else digest(secret)


async def request(
    run: Runtime, *, email: str, next_url: str, browser: str, ip: str, device: str, asks: bool = False
) -> Asked:
    """Queue a mail with a link and a code; durable when this returns. Reads no user, so it tells nothing of one (L6).

    `email` and `next_url` are parsed already, `browser` is the asking browser's secret; `asks` lets the link ask before
    it signs in. Raises `RateLimited`, `MailUnavailable`, `DatabaseUnavailable`.
    """
    since = run.outbox.mail_waits_since
    if since is not None and run.now_us - since > MAIL_WAIT_US_MAX:
        raise MailUnavailable(retry_after_seconds=60)
    address_digest = run.keys.digest_address(email)
    await link_limits.take(run, address_digest=address_digest, browser=browser_hash(browser), ip=ip)
    row = _row(run, Content(email, next_url, asks), browser=browser, asked_from=f"{device}, {ip}")
    reach("link.before_commit")
    await run.db.write_together(ASK, **row)
    reach("link.committed")
    run.outbox.wake("mail")
    metrics.links.labels(outcome="asked").inc()
    log.info("link_asked", magic_link_id=row["link_id"], delivery_id=row["id"])
    return Asked(row["link_id"], row["expires_at"])


def _row(run: Runtime, content: Content, *, browser: str, asked_from: str) -> dict[str, Any]:
    """Return a new link and its mail, for `ASK`: all that is secret in them as digests or sealed."""
    now = run.now_us
    token, code = create_token(), create_code()
    secret = secret_of(token)
    link_id, delivery_id = create_id("mgl", now), create_id("dlv", now)
    expires_at = now + run.settings.magic_link_lifetime_seconds * SECOND
    address_digest = run.keys.digest_address(content.email)
    mail = sign_in_mail.WaitingMail(
        to=content.email, token=token, code=code, asked_from=asked_from, address_digest=address_digest.hex()
    )
    sealed = run.keys.seal_mail(mail.to_json(), delivery_id=delivery_id)
    return {
        "link_id": link_id,
        "token_hash": digest(secret),
        "code_hash": run.keys.digest_code(code, link_id=link_id),
        "browser_hash": browser_hash(browser),
        "address_digest": address_digest,
        "email": seal_content(token_key(secret), content, link_id=link_id),
        "email_for_browser": seal_content(browser_key(browser), content, link_id=link_id),
        **outbox.mail_row(delivery_id=delivery_id, sealed=sealed, expires_at=expires_at, now_us=now),
    }


async def look_up(run: Runtime, *, token: str, browser: str | None) -> Opened:
    """Return the live link that a token is for, with its address; changes nothing.

    Raises `LinkInvalid`, `LinkExpired`, `LinkReplaced`, `LinkUsed`.
    """
    secret = parse_token(token)
    link = None if secret is None else await run.db.fetch_one(FIND, token_hash=digest(secret))
    if secret is None or link is None:
        raise LinkInvalid
    problem = why_dead(link, run.now_us)
    if problem is not None:
        raise problem
    if link.email is None:
        raise LinkUsed
    content = open_content(token_key(secret), link.email, link_id=link.id)
    return Opened(link, *content, same_browser=is_same_browser(link, browser))


async def preview(run: Runtime, *, token: str, browser: str | None) -> Opened:
    """Return the live link for a page that asks before it signs in; counts that it was opened, consumes nothing."""
    opened = await look_up(run, token=token, browser=browser)
    metrics.links.labels(outcome="opened_same_browser" if opened.same_browser else "opened_elsewhere").inc()
    return opened


def why_dead(link: MagicLink, now_us: int) -> TollhouseError | None:
    """Return what the holder of a link is told when it does not work any more."""
    if link.used_at is not None or link.code_used_at is not None:
        return LinkUsed()
    if link.ended_at is not None:
        return LinkReplaced()
    if link.expires_at <= now_us:
        return LinkExpired()
    return None


async def expired_content(run: Runtime, *, token: str, browser: str | None) -> Content:
    """Return what an expired link holds, for the one click in the asking browser that sends a new mail.

    Raises `LinkInvalid` for everybody else, and once the sealed address is gone.
    """
    secret = parse_token(token)
    link = None if secret is None else await run.db.fetch_one(FIND, token_hash=digest(secret))
    if secret is None or link is None or link.email is None or not is_renewable(link, browser, run.now_us):
        raise LinkInvalid("This link cannot be renewed here. Ask for a new one.")
    return open_content(token_key(secret), link.email, link_id=link.id)


def is_renewable(link: MagicLink, browser: str | None, now_us: int) -> bool:
    """Whether this browser asked for a link that nobody used, and that expired within a day, swept or not."""
    return is_same_browser(link, browser) and link.expires_at <= now_us < link.expires_at + EXPIRED_KEPT_US


def is_same_browser(link: MagicLink, browser: str | None) -> bool:
    """Whether this browser asked for the link."""
    return hmac.compare_digest(link.browser_hash, browser_hash(browser))


def is_elsewhere(run: Runtime, opened: Opened) -> bool:
    """Whether only the browser that began this sign-in can go on with it."""
    return not opened.same_browser and redirects.begins_elsewhere(run.settings, opened.next_url)
