"""The account the sandbox plays: its objects, its time, and what it tells of its changes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from tollhouse.sandbox.description import Description
from tollhouse.sandbox.errors import StripeError, missing
from tollhouse.sandbox.state import links, timers
from tollhouse.sandbox.state.clock import Clock
from tollhouse.sandbox.state.ids import Ids
from tollhouse.sandbox.state.metadata import merge_metadata
from tollhouse.sandbox.state.store import Store, Timer
from tollhouse.sandbox.state.timers import action
from tollhouse.sandbox.values import Obj, is_object

__all__ = ("AFTER_DUNNING", "HIDDEN", "World", "action", "clock_of", "compare", "merge_metadata")

Result = TypeVar("Result")

AFTER_DUNNING: Final = ("cancel", "unpaid", "past_due")
HIDDEN: Final = links.HIDDEN
NO_REQUEST: Final[Obj] = {"id": None, "idempotency_key": None}
NOUNS: Final = {
    "checkout.session": "checkout.session",
    "invoiceitem": "invoiceitem",
    "payment_intent": "payment_intent",
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
    "promotion_code": "promotion code",
    "webhook_endpoint": "webhook endpoint",
    "test_helpers.test_clock": "test clock",
}


class World:
    """One account in test mode.

    Everything here is synchronous, and every change is made inside `store.transaction()`: a request, a timer or a
    command happens whole or not at all, and nothing can come between.
    """

    def __init__(
        self, store: Store, clock: Clock, description: Description, *, seed: int | None = None, url: str
    ) -> None:
        """Begin where the store left off; `url` is where the hosted pages are reached."""
        self.store = store
        self.clock = clock
        self.description = description
        self.url = url
        self.ids = Ids(store, seed)
        self.request: Obj = dict(NO_REQUEST)  # that is being answered, for its events to name
        self.version: str | None = None  # of the API, that this request names
        self.on_event: Callable[[Obj], None] = lambda _event: None
        # Called to send an event again: to this endpoint, or to what listens for the Stripe CLI.
        self.on_resend: Callable[[Obj, str | None], None] = lambda _event, _endpoint: None
        self.withholds_event: Callable[[str], bool] = lambda _type: False
        self.search_lag_seconds: Callable[[], float] = lambda: 0  # how long searches do not find what is new
        self._time: int | None = None  # while a timer runs: when it was due
        self._time_clock = ""  # and by which test clock

    @property
    def after_dunning(self) -> str:
        """What becomes of a subscription that was not paid in the end: one of `AFTER_DUNNING`."""
        return self.store.read_note("after_dunning") or AFTER_DUNNING[0]

    @after_dunning.setter
    def after_dunning(self, end: str) -> None:
        self.store.note("after_dunning", end)

    # Time.

    def now(self) -> int:
        """Return the time in seconds: the clock's, or the one a timer was due at while it runs."""
        return self.clock.now() if self._time is None else self._time

    def now_for(self, obj: Mapping[str, Any]) -> int:
        """Return the time an object lives in: its test clock's, if it has one."""
        clock = clock_of(obj)
        if clock and clock != self._time_clock:
            found = self.find("test_helpers.test_clock", clock)
            return self.now() if found is None else int(found["frozen_time"])
        return self.now()

    @contextmanager
    def at(self, time: int, *, test_clock: str = "") -> Generator[None]:
        """Let it be this time inside, by this test clock if one is named."""
        before = self._time, self._time_clock
        self._time, self._time_clock = time, test_clock
        try:
            yield
        finally:
            self._time, self._time_clock = before

    @contextmanager
    def within(self, obj: Mapping[str, Any]) -> Generator[None]:
        """Let it be the time that an object lives in: what is made inside belongs to it, though it names no clock."""
        with self.at(self.now_for(obj), test_clock=clock_of(obj)):
            yield

    def schedule(self, name: str, obj: Mapping[str, Any], due: int) -> None:
        """Do the action of this name to the object at a time: by its test clock, if it has one.

        Raises `StripeError` 400 for a time no calendar has.
        """
        assert timers.is_action(name), name
        timers.check_time(due)
        self.store.schedule(Timer(due, name, obj["id"]), clock_of(obj))

    def cancel(self, name: str, obj: Mapping[str, Any]) -> None:
        """Do not do it after all."""
        self.store.cancel(name, obj["id"])

    def run_due(self, *, until: int | None = None, test_clock: str = "") -> int:
        """Do all that is due by now, or by `until`, each at its own time; return how much it was.

        What cannot be done is undone by itself, and kept to be looked at. Raises `StripeError` 400 for a time that no
        calendar has.
        """
        until = self.clock.now() if until is None else until
        timers.check_time(until)
        count = 0
        with self.asked_by(dict(NO_REQUEST), None):  # what time brings, no request asked for
            while (timer := self.store.take_due(until, test_clock)) is not None:
                with self.at(timer.due, test_clock=test_clock):
                    timers.run(self, timer)
                count += 1
        return count

    # What is asked for.

    @contextmanager
    def asked_by(self, request: Obj, version: str | None) -> Generator[None]:
        """Let what happens inside be asked for by this request, which names a version of the API or none."""
        before = self.request, self.version
        self.request, self.version = request, version
        try:
            yield
        finally:
            self.request, self.version = before

    def act(self, function: Callable[[], Result]) -> Result:
        """Do first what is due, then this: whole, or not at all when it raises.

        A `StripeError` that keeps its effects leaves them behind. Within a transaction it is a part of that.
        """
        with self.store.savepoint():
            self.run_due()
        kept: StripeError | None = None
        with self.store.savepoint():
            try:
                return function()
            except StripeError as error:
                if not error.keeps_effects:
                    raise
                kept = error
        raise kept

    # Objects. What is returned is the caller's own copy; `save` makes a change to it known.

    def new(self, kind: str, *, id: str | None = None, **fields: Any) -> Obj:
        """Return a new object with all fields Stripe would send; it is not saved yet."""
        obj = self.description.blank(kind)
        obj["id"] = id or self.ids.of(kind)
        if "created" in obj:
            obj["created"] = self.now_for(fields)
        return obj | fields

    def save(self, obj: Obj, kind: str | None = None) -> Obj:
        """Insert or replace the object; `kind` is its `object` unless given."""
        self.store.put(kind or obj["object"], obj)
        return obj

    def find(self, kind: str, id: str | None) -> Obj | None:
        """Return the object, or None when there is none of this kind."""
        obj = self.store.get(id, kind) if id else None
        return obj if obj is not None and obj["object"] == kind else None

    def get(self, kind: str, id: str, *, param: str = "id") -> Obj:
        """Return the object. Raises `resource_missing`: 404 if the path named it, 400 if a parameter did."""
        obj = self.find(kind, id)
        if obj is None or obj.get("deleted"):
            raise missing(NOUNS.get(kind, kind), id, param=param, status=404 if param == "id" else 400)
        return obj

    def every(self, kind: str, **equal: Any) -> list[Obj]:
        """Return all objects of a kind whose fields equal what is given, newest first."""
        return [obj for obj in self.store.every(kind, **equal) if not obj.get("deleted")]

    def change(self, obj: Obj, changes: Mapping[str, Any], event: str | None = None) -> Obj:
        """Save an object with changed fields; if any differ and a type is given, tell it with what they were."""
        previous = compare(obj, changes)
        obj.update(changes)
        self.save(obj)
        previous.pop(HIDDEN, None)
        if event is not None and previous:
            self.emit(event, obj, previous=previous)
        return obj

    def remove(self, obj: Obj, event: str | None = None, *, leaves_trace: bool = False) -> Obj:
        """Delete an object, tell it, and return what stands in its place: `{"id", "object", "deleted"}`.

        With `leaves_trace` that can be found later, with `find` alone.
        """
        gone = {"id": obj["id"], "object": obj["object"], "deleted": True}
        if leaves_trace:
            self.save(gone)
        else:
            self.store.remove(obj["id"], obj["object"])
        if event is not None:
            self.emit(event, obj)
        return gone

    # Events.

    def emit(self, type: str, obj: Obj, *, previous: Mapping[str, Any] | None = None) -> None:
        """Tell a fact: the object is kept as it is now, whatever becomes of it later."""
        assert type in self.description.event_types, type
        if self.withholds_event(type):
            return
        data: Obj = {"object": obj}
        if previous is not None:
            data["previous_attributes"] = dict(previous)
        version = self.description.version
        event = self.new("event", type=type, data=data, api_version=version, request=dict(self.request))
        event["created"] = self.now_for(obj)
        # Where `created` is a test clock's time, this is the account's: a timer's own, while the account is advanced.
        event[HIDDEN] = {"at": self.clock.now() if self._time is None or self._time_clock else self._time}
        self.save(event)
        self.on_event(event)


def clock_of(obj: Mapping[str, Any]) -> str:
    """Return the id of the test clock an object lives by, also where Stripe does not show it; without one, nothing."""
    return obj.get("test_clock") or obj.get(HIDDEN, {}).get("test_clock") or ""


def compare(old: Mapping[str, Any], changes: Mapping[str, Any]) -> Obj:
    """Return what the changed fields were before, as events tell it: of an object, its changed members alone."""
    previous: Obj = {}
    for name, new in changes.items():
        was = old.get(name)
        if is_object(was) and is_object(new) and "object" not in was and was != new:
            previous[name] = compare(was, dict.fromkeys(was) | new)
        elif was != new:
            previous[name] = was
    return previous
