"""A running Tollhouse for a test, with a database of its own, a mail catcher, a clock to turn, and browsers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import httpx
from fastapi import FastAPI
from sqlalchemy import and_, bindparam, exists, literal, or_, select

from tollhouse.app import Tollhouse, create_app
from tollhouse.clock import Clock, FollowingClock
from tollhouse.db import Statement
from tollhouse.events.tables import WAITING
from tollhouse.events.tables import deliveries as table
from tollhouse.mail.transport import Caught, MemoryTransport, Transport
from tollhouse.sandbox import Sandbox
from tollhouse.settings import Settings
from tollhouse.testing.kit_settings import STRIPE, bring_up_to_date, make_settings
from tollhouse.testing.stripe_sandbox import join_sandbox, sdk_http_client

WAIT_SECONDS_MAX: Final = 10.0
WAIT_STEP_SECONDS: Final = 0.005
ADDRESSES_MAX: Final = 65_536

_earlier: Final = table.alias("earlier")
_is_first: Final = and_(  # and so about to be claimed by whoever did the one before, even where it was put off
    or_(table.c.attempts == 0, table.c.held_until.is_(None)),
    table.c.sequence.is_not(None),
    ~exists().where(
        _earlier.c.subscriber == table.c.subscriber,
        _earlier.c.user_id == table.c.user_id,
        _earlier.c.sequence < table.c.sequence,
        _earlier.c.status == WAITING,
    ),
)
_at_work: Final = exists().where(
    table.c.status == WAITING, or_(table.c.lease.is_not(None), table.c.due_at <= bindparam("now"), _is_first)
)
AT_WORK: Final = Statement(select(literal(1)).where(_at_work), int)


class Browser(httpx.AsyncClient):
    """A browser with cookies and an IP of its own, at the kit's application; redirects are not followed."""

    def __init__(self, kit: TestKit, *, ip: str, user_agent: str) -> None:
        """Made by `TestKit.new_browser`."""
        self.kit = kit
        self.ip = ip
        super().__init__(
            transport=httpx.ASGITransport(app=kit.app, client=(ip, 40_000)),
            base_url=kit.toll.settings.url,
            headers={"user-agent": user_agent},
        )

    async def ask_for_link(self, email: str, **fields: Any) -> httpx.Response:
        """Ask for a link by JSON, with `next` if given."""
        return await self.post("/auth/magic-links", json={"email": email, **fields})

    async def open_link(self, mail: Caught) -> httpx.Response:
        """Do what the page of the mail's link does: redeem it, by JSON."""
        return await self.post("/auth/callback", json={"token": token_of(mail)})

    async def type_code(self, code: str | None) -> httpx.Response:
        """Type a code, by JSON."""
        return await self.post("/auth/code", json={"code": code})


@dataclass(frozen=True, slots=True)
class SignedInClient:
    """A browser that is signed in, and as whom."""

    browser: Browser
    email: str
    user_id: str
    session_id: str

    def __getattr__(self, name: str) -> Any:
        """Return what the browser has: `get`, `post`, `cookies` and all the rest."""
        return getattr(self.browser, name)


class TestKit:
    """A running Tollhouse: `async with TestKit() as kit`.

    Without arguments it is an application of its own; with `app` and `toll` it is yours, into which you called
    `toll.install(app)`. Its database is a temporary SQLite file, or the one at `database_url`, brought to the newest
    schema: never the one in your settings. Further arguments are settings by name (only without `toll`).

    Where there is a till its Stripe is a sandbox in process, `kit.stripe`, with the catalogue in it and its webhooks
    coming here; the clock goes along with the sandbox's. `stripe=True` gives an application of its own a till, and
    another kit's sandbox gives it that one.
    """

    __test__ = False  # pytest would take the name for a class of tests

    def __init__(
        self,
        *,
        app: FastAPI | None = None,
        toll: Tollhouse | None = None,
        database_url: str | None = None,
        stripe: bool | Sandbox = False,
        **settings: Any,
    ) -> None:
        """Prepare; nothing runs before the block begins, so handlers can still be registered with `kit.toll.on`."""
        if (app is None) != (toll is None):
            raise TypeError("Give both app and toll, or neither")
        if toll is not None and (settings or stripe):
            raise TypeError("The settings are those of toll; give settings only without it")
        self._database_url = database_url
        self.toll = toll or Tollhouse(make_settings(**(STRIPE if stripe else {}) | settings))
        self.app = app or create_app(self.toll)
        self._stripe = stripe if isinstance(stripe, Sandbox) else None
        self._joins = self._stripe is None and self.toll.settings.has_till
        if self._joins:
            self._stripe = Sandbox(transport=httpx.ASGITransport(app=self.app))
        if self._stripe is not None:
            self.toll.clock = FollowingClock(partial(getattr, self._stripe.clock, "turned"))
        self.clock: Clock = self.toll.clock
        self.catcher = MemoryTransport(clock=self.clock)
        self._stack = AsyncExitStack()
        self._browsers = 0
        self._read: list[Caught] = []

    async def __aenter__(self) -> Self:
        """Start it."""
        self._stack.callback(self._give_back, self.toll.settings, self.toll.transport, self.toll.stripe_http)
        url = self._database_url
        if url is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tollhouse-test-"))
            url = f"sqlite:///{folder}/tollhouse.db"
        self.toll.settings = self.toll.settings.model_copy(update={"database_url": url})
        self.toll.transport = self.catcher
        try:
            await bring_up_to_date(self.toll.settings)
            if self._stripe is not None:
                self.toll.stripe_http = sdk_http_client(self._stripe)
            if self._joins:
                await self._stack.enter_async_context(self.stripe)
                self.toll.settings = await join_sandbox(self.stripe, self.toll.settings)
            await self._stack.enter_async_context(self.app.router.lifespan_context(self.app))
            if self._joins:
                from tollhouse.billing.catalogue_sync import push

                await push(self.toll.till)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it, and forget everything."""
        await self._stack.aclose()

    def _give_back(self, settings: Settings, transport: Transport, stripe_http: Any) -> None:
        self.toll.settings, self.toll.transport, self.toll.stripe_http = settings, transport, stripe_http

    @property
    def stripe(self) -> Sandbox:
        """The sandbox behind the till."""
        if self._stripe is None:
            raise TypeError("There is no till: give stripe=True, or a toll with Stripe's settings")
        return self._stripe

    @property
    def mails(self) -> list[Caught]:
        """Every mail caught so far, newest first."""
        return self.catcher.caught

    def new_browser(self, *, ip: str | None = None, user_agent: str = "") -> Browser:
        """Return a browser without cookies, at an IP that no other has unless it is given."""
        self._browsers += 1
        assert self._browsers < ADDRESSES_MAX, "one IP each"
        own_ip = f"10.0.{self._browsers >> 8}.{self._browsers & 255}"
        browser = Browser(self, ip=ip or own_ip, user_agent=user_agent)
        self._stack.push_async_callback(browser.aclose)
        return browser

    async def mail_to(self, address: str) -> Caught:
        """Return the next mail to this address that was not returned before, once it is delivered.

        Raises `TimeoutError` after ten seconds of this machine's time.
        """

        async def find() -> Caught | None:
            new = (mail for mail in reversed(self.mails) if not any(mail is read for read in self._read))
            return next((mail for mail in new if mail.to == address), None)

        mail = await self._wait_for(find, f"no mail to {address}")
        self._read.append(mail)
        return mail

    async def settle(self) -> None:
        """Return once nothing is due any more: every mail and event was delivered, or waits for its next try."""

        async def is_done() -> bool:
            return await self.toll.run.db.fetch_one(AT_WORK, now=self.clock.now_us()) is None

        await self._wait_for(is_done, "deliveries still due")

    async def sign_in(self, email: str, *, browser: Browser | None = None) -> SignedInClient:
        """Return a browser, a new one unless given, in which this address signed in by the link of a mail."""
        browser = browser or self.new_browser()
        asked = await browser.ask_for_link(email)
        asked.raise_for_status()
        session = (await browser.open_link(await self.mail_to(email))).raise_for_status().json()
        return SignedInClient(browser, session["email"], session["user_id"], session["session_id"])

    async def _wait_for(self, find: Callable[[], Awaitable[Any]], missing: str) -> Any:
        self.toll.run.outbox.wake()  # the clock may have been turned, which the worker would notice a second later
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while not (found := await find()):  # noqa: ASYNC110 (what is awaited may be another process's doing)
                    await asyncio.sleep(WAIT_STEP_SECONDS)
                return found
        except TimeoutError:
            raise TimeoutError(f"{missing} after {WAIT_SECONDS_MAX} s") from None


def token_of(mail: Caught) -> str:
    """Return the token in a mail's link."""
    assert mail.link is not None, "a mail of another kind"
    return mail.link.partition("#")[2]
