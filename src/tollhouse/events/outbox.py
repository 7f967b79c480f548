"""Emitting: an event and its deliveries become rows in the transaction of what happened."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.clock import DAY, Clock
from tollhouse.db import Database, Statement, Transaction, some
from tollhouse.events.tables import FAILED, WAITING, deliveries, events, is_waiting, sequences, subscribers
from tollhouse.signing.tokens import create_id

EVENT_TYPES: Final = frozenset(
    {
        *("user.created", "user.signed_in", "user.erased"),
        *("checkout.completed", "checkout.expired"),
        *("payment.succeeded", "payment.failed", "payment.refunded", "payment.disputed"),
        *("subscription.updated", "subscription.ended"),
        *("credits.granted", "credits.spent", "credits.low"),
    }
)
# The types that may bring an address to those who ask for it.
ADDRESS_TYPES: Final = frozenset({"user.created", "user.signed_in"})
MAIL: Final = "mail"
NOTICE: Final = "notice"  # a mail to the admins
NO_EVENT: Final = ""  # mails are queued one by one; no event is mailed
EVENT_KEPT_US: Final = 90 * DAY  # and longer while a delivery of it waits or has failed
# The ids in an event's data that say what it is about, the most telling first.
SUBJECTS: Final = ("payment_id", "purchase_id", "source_id", "subscription_id")
SUBSCRIBER_FORGOTTEN_US: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: `data` holds ids and facts, never an address, a token or a card."""

    id: str
    type: str
    user_id: str | None
    sequence: int | None
    created_at: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber's wish for one type of event."""

    name: str
    event_type: str
    with_address: int = 0  # it gets the address that belongs to the event, where there is one


Sealer = Callable[[bytes, str], bytes]  # a text and the id of the delivery it waits in → sealed
NEXT_SEQUENCE: Final = Statement(
    upsert(sequences)
    .values(user_id=bindparam("user_id"), last=bindparam("count"))
    .on_conflict_do_update(index_elements=["user_id"], set_={"last": sequences.c.last + bindparam("count")})
    .returning(sequences.c.last),
    int,
)
ADD_EVENT: Final = Statement(
    insert(events).values(
        {name: bindparam(name) for name in ("id", "type", "user_id", "sequence", "data", "subject", "created_at")}
    ),
    Event,
)
ADD_DELIVERY: Final = Statement(
    insert(deliveries).values(
        {
            **{name: bindparam(name) for name in ("id", "subscriber", "event_id", "user_id", "sequence", "sealed")},
            **{name: bindparam(name) for name in ("due_at", "held_until", "expires_at", "created_at")},
            "status": WAITING,
            "attempts": 0,
        }
    ),
    str,
)
SUBSCRIBE: Final = Statement(
    upsert(subscribers)
    .values(name=bindparam("name"), event_type=bindparam("event_type"), seen_at=bindparam("now"))
    .on_conflict_do_update(index_elements=["name", "event_type"], set_={"seen_at": bindparam("now")}),
    Subscription,
)
FORGET: Final = Statement(delete(subscribers).where(subscribers.c.seen_at < bindparam("before")), Subscription)
PARK_FORGOTTEN: Final = Statement(
    update(deliveries)
    .where(is_waiting(deliveries), deliveries.c.subscriber.not_in(select(subscribers.c.name)))
    .values(
        status=FAILED,
        reason="Nobody serves this subscriber any more.",
        finished_at=bindparam("now"),
        sealed=None,
        lease=None,
    ),
    str,
)
SUBSCRIPTIONS: Final = Statement(
    select(subscribers.c.name, subscribers.c.event_type, subscribers.c.with_address), Subscription
)


_undone = exists().where(
    deliveries.c.event_id == events.c.id, or_(deliveries.c.status == WAITING, deliveries.c.status == FAILED)
)
SWEEP: Final = Statement(
    delete(events).where(*some(events.c.id, events.c.created_at < bindparam("before"), ~_undone)), Event
)


def delivery_row(*, now_us: int, **given: Any) -> dict[str, Any]:
    """Return the row, for `ADD_DELIVERY`, of a delivery that is due now; `given` is what it has of its columns."""
    empty: dict[str, Any] = dict.fromkeys(("event_id", "user_id", "sequence", "sealed", "held_until", "expires_at"))
    return empty | {"id": create_id("dlv", now_us), "due_at": now_us, "created_at": now_us} | given


def mail_row(*, delivery_id: str, sealed: bytes, expires_at: int, now_us: int) -> dict[str, Any]:
    """Return the row, for `ADD_DELIVERY`, that queues a sealed mail; it is erased once sent or expired."""
    return delivery_row(now_us=now_us, id=delivery_id, subscriber=MAIL, sealed=sealed, expires_at=expires_at)


def subject_of(data: Mapping[str, Any]) -> str | None:
    """Return the id of what an event is about, or None: itself says all."""
    return next((str(data[name]) for name in SUBJECTS if data.get(name)), None)


class Outbox:
    """Where business code leaves what shall happen later."""

    def __init__(self, db: Database, clock: Clock, seal: Sealer | None = None) -> None:
        """Emit into one database; who listens is known after `refresh`. `seal` closes addresses for their wait."""
        self._db = db
        self._clock = clock
        self._seal = seal
        self._subscribers: dict[str, list[Subscription]] = {}
        self._own: list[Subscription] = [Subscription(MAIL, NO_EVENT), Subscription(NOTICE, NO_EVENT)]
        self._listeners: list[Callable[[Sequence[str]], None]] = []
        self.mail_waits_since: int | None = None  # oldest mail that the mail server itself holds up, kept by the worker

    def register(self, name: str, event_type: str) -> None:
        """Subscribe a handler of this process; it is known to every process after `refresh`."""
        self._own.append(Subscription(name, event_type))

    def on_wake(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call `listener(names)` whenever deliveries for these subscribers were committed here."""
        self._listeners.append(listener)

    async def refresh(self) -> None:
        """Write down this process's subscribers and learn of everybody's."""
        now = self._clock.now_us()
        for own in self._own:
            await self._db.write(SUBSCRIBE, name=own.name, event_type=own.event_type, now=now)
        await self._db.write(FORGET, before=now - SUBSCRIBER_FORGOTTEN_US)
        await self._db.write(PARK_FORGOTTEN, now=now)
        await self.learn()

    async def learn(self) -> None:
        """Learn who subscribes to what, so that emitting needs no query."""
        known: defaultdict[str, list[Subscription]] = defaultdict(list)
        for each in await self._db.fetch_all(SUBSCRIPTIONS):
            known[each.event_type].append(each)
        self._subscribers = dict(known)

    async def emit(
        self, tx: Transaction, *happened: tuple[str, Mapping[str, Any]], user_id: str, address: str | None = None
    ) -> None:
        """Record events of one user, each `(type, data)`, with a delivery for every subscriber.

        The user's sequence is taken under a row lock that lasts until commit, so it tells the order of commits. An
        `address` waits, sealed, in the deliveries of those subscribers only who asked for it.
        """
        now = self._clock.now_us()
        last = await tx.fetch_one(NEXT_SEQUENCE, user_id=user_id, count=len(happened))
        assert last is not None
        event_rows: list[dict[str, Any]] = []
        delivery_rows: list[dict[str, Any]] = []
        for sequence, (event_type, data) in enumerate(happened, last - len(happened) + 1):
            event_id = create_id("out", now)
            event_rows.append(
                {"id": event_id, "type": event_type, "user_id": user_id, "sequence": sequence}
                | {"data": json.dumps(data, separators=(",", ":")), "subject": subject_of(data), "created_at": now}
            )
            known = {"event_id": event_id, "user_id": user_id, "sequence": sequence}
            private = address if event_type in ADDRESS_TYPES else None
            delivery_rows += [self._row(each, known, private, now) for each in self._subscribers.get(event_type, ())]
        await tx.execute_many(ADD_EVENT, event_rows)
        if delivery_rows:
            await tx.execute_many(ADD_DELIVERY, delivery_rows)

    def _row(self, to: Subscription, known: Mapping[str, Any], address: str | None, now_us: int) -> dict[str, Any]:
        row = delivery_row(now_us=now_us, subscriber=to.name, **known)
        if to.with_address and address is not None and self._seal is not None:
            row["sealed"] = self._seal(address.encode(), row["id"])
        return row

    def wake_for_events(self) -> None:
        """Tell the workers of this process that events were committed, and nothing that is queued by itself."""
        self.wake(*{each.name for kind, found in self._subscribers.items() if kind != NO_EVENT for each in found})

    def wake(self, *names: str) -> None:
        """Tell the workers of this process that deliveries were committed; without names, for any subscriber."""
        wanted = names or tuple({each.name for found in self._subscribers.values() for each in found})
        for listener in self._listeners:
            listener(wanted)
