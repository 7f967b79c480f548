"""Signing in: a link or a code becomes a session, once."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, replace
from typing import Final, Literal

import structlog
from sqlalchemy import and_, bindparam, select, update

from tollhouse.db import Statement, Together, Transaction
from tollhouse.errors import TollhouseError
from tollhouse.failpoints import reach
from tollhouse.identity import link_limits, magic_links, new_users, sessions, users
from tollhouse.identity.errors import CodeInvalid, CodeLocked, LinkElsewhere, LinkUsed
from tollhouse.identity.link_contents import browser_key, open_content
from tollhouse.identity.magic_links import COLUMNS, MagicLink, browser_hash
from tollhouse.identity.tables import magic_links as table
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_token, digest, parse_token
from tollhouse.telemetry import metrics

log = structlog.get_logger()

CODE_TRIES_MAX: Final = 5
CODE: Final = re.compile("[0-9]{6}")
CODE_SEPARATORS: Final = " -\u00a0"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just made, and where to go on."""

    session: sessions.Session
    secret: str
    browser: str  # the browser's secret: a new one if it had none
    next_url: str


@dataclass(frozen=True, slots=True)
class Client:
    """The browser that signs in: its two cookies' secrets, and its kind."""

    browser: str | None
    session_secret: str | None
    device: str


_codeable = and_(table.c.code_used_at.is_(None), table.c.ended_at.is_(None), table.c.expires_at > bindparam("now"))
NEWEST: Final = Statement(
    select(*COLUMNS)
    .where(table.c.browser_hash == bindparam("browser"), _codeable)
    .order_by(table.c.created_at.desc(), table.c.id.desc())
    .limit(1),
    MagicLink,
)
COUNT_TRY: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("link_id"), table.c.code_tries < CODE_TRIES_MAX, _codeable)
    .values(code_tries=table.c.code_tries + 1)
    .returning(table.c.code_tries),
    int,
)
USE_CODE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("link_id"), _codeable)
    .values(code_used_at=bindparam("now"), email=None, email_for_browser=None)
    .returning(*COLUMNS),
    MagicLink,
)


# A new id at every sign-in: the session that the cookie held so far ends with it.
LET_IN: Final = Together(sessions.END_BY_SECRET, sessions.ADD, link_limits.REMEMBER)


async def redeem(run: Runtime, *, token: str, client: Client) -> SignedIn:
    """Sign in by the link; of any number at once, one gets a session.

    Raises `LinkInvalid`, `LinkElsewhere`, `LinkExpired`, `LinkUsed`, `UserBlocked`, `SignUpClosed`.
    """
    try:
        opened = await magic_links.look_up(run, token=token, browser=client.browser)
        if magic_links.is_elsewhere(run, opened):
            raise LinkElsewhere
        signed_in = await run.db.transact(_redeem, run, opened, client, sessions.prepare(run, email=opened.email))
    except TollhouseError as error:
        _count("link", error)
        raise
    return _done(run, "link", signed_in)


async def _redeem(
    tx: Transaction, run: Runtime, opened: magic_links.Opened, client: Client, fresh: sessions.Prepared
) -> SignedIn:
    link = opened.link
    used = await tx.execute(
        magic_links.USE,
        link_id=link.id,
        session_id=fresh.session.id,
        browser=browser_hash(client.browser),
        now=run.now_us,
    )
    if not used:
        raise LinkUsed
    return await _sign_in(tx, run, link, client, fresh, opened.next_url)


async def type_code(run: Runtime, *, code: str, client: Client) -> SignedIn:
    """Sign in by the code, in the browser that asked; ends the session that the link made elsewhere.

    Raises `CodeInvalid` with `tries_left`, `CodeLocked`, `RateLimited`, `UserBlocked`, `SignUpClosed`.
    """
    try:
        link = await _check_code(run, code, client.browser)
        assert client.browser is not None  # or it had no link
        email, next_url, _ = open_content(browser_key(client.browser), link.email_for_browser or b"", link_id=link.id)
        signed_in = await run.db.transact(_use_code, run, link, client, sessions.prepare(run, email=email), next_url)
    except TollhouseError as error:
        _count("code", error)
        raise
    return _done(run, "code", signed_in)


async def pending_address(run: Runtime, browser: str | None) -> str | None:
    """Return the address that this browser's newest live mail went to, or None; only that browser can open it."""
    asking = browser_hash(browser)
    link = await run.db.fetch_one(NEWEST, browser=asking, now=run.now_us) if asking else None
    if browser is None or link is None or link.email_for_browser is None:
        return None
    return open_content(browser_key(browser), link.email_for_browser, link_id=link.id).email


async def _check_code(run: Runtime, code: str, browser: str | None) -> MagicLink:
    """Return the browser's newest link if this is its code; every try is counted first, and stays counted."""
    asking = browser_hash(browser)
    link = await run.db.fetch_one(NEWEST, browser=asking, now=run.now_us) if asking else None
    if link is None:
        raise CodeInvalid("No mail was asked for in this browser lately. Ask for a new one here.", tries_left=0)
    if link.code_tries >= CODE_TRIES_MAX:
        raise CodeLocked(tries_left=0)
    digits = "".join(char for char in code if char not in CODE_SEPARATORS)
    if not CODE.fullmatch(digits):  # a slip of the finger, no guess: it costs no try
        raise CodeInvalid("A code has six digits.", tries_left=CODE_TRIES_MAX - link.code_tries)
    tries = await run.db.write_one(COUNT_TRY, link_id=link.id, now=run.now_us)
    if tries is None:
        raise CodeLocked(tries_left=0)
    # Behind the link's own count, so that one mail draws five from the day's tries and no more, however many at once.
    await link_limits.take_code_try(run, address_digest=link.address_digest, browser=asking)
    if not hmac.compare_digest(run.keys.digest_code(digits, link_id=link.id), link.code_hash):
        last = (
            "This is not the code from the newest mail, and it was the last try." if tries == CODE_TRIES_MAX else None
        )
        raise CodeInvalid(last, tries_left=CODE_TRIES_MAX - tries)
    return link


async def _use_code(
    tx: Transaction, run: Runtime, link: MagicLink, client: Client, fresh: sessions.Prepared, next_url: str
) -> SignedIn:
    used = await tx.fetch_one(USE_CODE, link_id=link.id, now=run.now_us)
    if used is None:
        raise CodeInvalid("This code was just used.", tries_left=0)
    if used.link_session_id is not None:  # one mail, one living session: whoever opened the link loses theirs
        await tx.execute(sessions.END, session_id=used.link_session_id)
    return await _sign_in(tx, run, link, client, fresh, next_url)


async def _sign_in(
    tx: Transaction, run: Runtime, link: MagicLink, client: Client, fresh: sessions.Prepared, next_url: str
) -> SignedIn:
    user, is_new = await users.sign_in(tx, run, link.address_digest)
    session = replace(fresh.session, user_id=user.id)
    browser = client.browser or create_token()
    await tx.execute_together(
        LET_IN,
        **sessions.row_of(session, fresh, device=client.device),
        ended_secret_hash=digest(parse_token(client.session_secret) or b""),  # without an old session: of no secret
        pair=run.keys.digest_pair(browser_hash(browser), link.address_digest),
        now=run.now_us,
    )
    facts = {"user_id": user.id, "session_id": session.id}
    happened = await new_users.greet(tx, run, user.id) if is_new else []
    await run.outbox.emit(tx, *happened, ("user.signed_in", facts), user_id=user.id, address=session.email)
    reach("redeem.before_commit")
    return SignedIn(session, fresh.secret, browser, next_url)


def _done(run: Runtime, way: Literal["link", "code"], signed_in: SignedIn) -> SignedIn:
    reach("redeem.committed")
    run.outbox.wake()
    metrics.sign_ins.labels(way=way, outcome="signed_in").inc()
    log.info("signed_in", way=way, user_id=signed_in.session.user_id, session_id=signed_in.session.id)
    return signed_in


def _count(way: Literal["link", "code"], error: TollhouseError) -> None:
    metrics.sign_ins.labels(way=way, outcome=error.code).inc()
    log.info("sign_in_refused", way=way, reason=error.code)
