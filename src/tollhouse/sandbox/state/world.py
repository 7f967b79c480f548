"""The account the sandbox plays: its objects, its time, and what it tells of its changes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal

from tollhouse.sandbox.description import Description
from tollhouse.sandbox.errors import invalid, missing
from tollhouse.sandbox.state.clock import Clock
from tollhouse.sandbox.state.ids import Ids
from tollhouse.sandbox.state.store import Store, Timer
from tollhouse.sandbox.values import Obj, is_object

AfterDunning = Literal["cancel", "unpaid", "past_due"]
Action = Callable[["World", str], None]

HIDDEN: Final = "_"  # the field for what Stripe keeps to itself; no reply and no event has it
NO_REQUEST: Final[Obj] = {"id": None, "idempotency_key": None}
METADATA_KEYS_MAX: Final = 50
METADATA_KEY_MAX: Final = 40
METADATA_VALUE_MAX: Final = 500
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

_actions: dict[str, Action] = {}


def action(name: str) -> Callable[[Action], Action]:
    """Register what a timer of this name does: called with the id it was scheduled for."""

    def register(function: Action) -> Action:
        assert name not in _actions, name
        _actions[name] = function
        return function

    return register


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
        self.after_dunning: AfterDunning = "cancel"  # what becomes of a subscription that was not paid in the end
        self._time: int | None = None  # while a timer runs: when it was due
        self._time_clock = ""  # and by which test clock

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
        """Do the action of this name to the object at a time: by its test clock, if it has one."""
        assert name in _actions, name
        self.store.schedule(Timer(due, name, obj["id"]), clock_of(obj))

    def cancel(self, name: str, obj: Mapping[str, Any]) -> None:
        """Do not do it after all."""
        self.store.cancel(name, obj["id"])

    def run_due(self, *, until: int | None = None, test_clock: str = "") -> int:
        """Do all that is due by now, or by `until`, each at its own time; return how much it was."""
        until = self.clock.now() if until is None else until
        count = 0
        asked, self.request = self.request, dict(NO_REQUEST)  # what time brings, no request asked for
        try:
            while (timer := self.store.take_due(until, test_clock)) is not None:
                with self.at(timer.due, test_clock=test_clock):
                    _actions[timer.action](self, timer.id)
                count += 1
        finally:
            self.request = asked
        return count

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


def merge_metadata(old: Mapping[str, str] | None, given: Any, param: str = "metadata") -> dict[str, str]:
    """Return the old metadata with the given keys set; an empty value deletes its key, an empty string all of them."""
    if given == "":
        return {}
    merged: dict[str, str] = {**(old or {}), **(given or {})}
    merged = {name: value for name, value in merged.items() if value != ""}
    for name, value in merged.items():
        if len(name) > METADATA_KEY_MAX or "[" in name or "]" in name:
            raise invalid(f"Metadata keys have at most {METADATA_KEY_MAX} characters and no brackets: {name}", param)
        if len(value) > METADATA_VALUE_MAX:
            raise invalid(
                f"Metadata values can have up to {METADATA_VALUE_MAX} characters. You passed in a value that is"
                f" {len(value)} characters.",
                f"{param}[{name}]",
            )
    if len(merged) > METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have at most {METADATA_KEYS_MAX} keys.", param)
    return merged
