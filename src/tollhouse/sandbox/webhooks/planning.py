"""Deliveries: which event goes to which endpoint, and what came of it.

A delivery is an object of the sandbox's own, of the kind `delivery`:

- `event`, `type`, `source` (the id of the object the event tells of), `endpoint`;
- `status`: `due`, `sending`, `waiting` (for its time), `held` (for the next one to overtake it), `succeeded`, `failed`
  (for good), `canceled` (its endpoint is gone or disabled), `dropped`;
- `attempts`, of which the endpoint saw each: `{"at", "sent_at", "status", "milliseconds", "error", "reply"}`;
- hidden, while it is `due`: `queue`, the endpoint it is next in line for.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.faults import FaultRules
from tollhouse.sandbox.resources.account.webhook_endpoints import wants
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj

KIND: Final = "delivery"
# Test mode tries three times more, over a few hours; Stripe does not publish the intervals.
RETRIES_AFTER_SECONDS: Final = (5 * 60, 3600, 3 * 3600)
UNDER_WAY: Final = ("due", "sending")
SETTLED: Final = frozenset({"succeeded", "canceled"})


def plan_event(world: World, faults: FaultRules, event: Obj) -> None:
    """Plan an event's deliveries to all endpoints that want it, and those of its twins."""
    endpoints = [each for each in reversed(world.every("webhook_endpoint")) if wants(each, event["type"])]
    events = [event, *(_make_twin(world, event) for _ in range(faults.twins(event["type"])))]
    for each in events:
        for endpoint in endpoints:
            _plan_delivery(world, faults, each, endpoint)
        if endpoints:
            world.save(each | {"pending_webhooks": len(endpoints)})


def plan_again(world: World, event: Obj, endpoint_id: str) -> Obj:
    """Plan a delivery that somebody asked for by hand: tried once, while automatic retries go on."""
    delivery = _make(world, event, endpoint_id) | {"is_automatic": False}
    save(world, delivery, "due")
    count_pending(world, event["id"])
    return delivery


def record_attempt(world: World, delivery_id: str, attempt: Obj) -> None:
    """Keep what came of an attempt, and plan the next one if it failed."""
    delivery = world.find(KIND, delivery_id)
    if delivery is None:
        return  # everything was forgotten meanwhile
    delivery["attempts"].append(attempt | {"at": world.clock.now()})
    retries = len(delivery["attempts"]) - 1
    if is_success(attempt):
        save(world, delivery, "succeeded")
    elif delivery["is_automatic"] and retries < len(RETRIES_AFTER_SECONDS):
        _delay(world, delivery, RETRIES_AFTER_SECONDS[retries])
    else:
        save(world, delivery, "failed")
    count_pending(world, delivery["event"])


def cancel(world: World, delivery: Obj) -> None:
    """Send it no more: its endpoint is gone or disabled."""
    save(world, delivery, "canceled")
    count_pending(world, delivery["event"])


def save(world: World, delivery: Obj, status: str) -> Obj:
    """Save a delivery with a status, in its endpoint's queue or out of it."""
    hidden = {"queue": delivery["endpoint"]} if status == "due" else {}
    return world.save(delivery | {"status": status, HIDDEN: hidden})


def find_due(world: World, endpoint_id: str) -> Obj | None:
    """Return what an endpoint is to get next, or None."""
    return next(world.store.each(KIND, queue=endpoint_id, oldest_first=True), None)


def is_idle(world: World) -> bool:
    """Say whether nothing is to be sent, nor being sent."""
    return not any(world.every(KIND, status=each, limit=1) for each in UNDER_WAY)


def is_success(attempt: Obj) -> bool:
    """Say whether the endpoint took it: any 2xx, and nothing else."""
    return attempt["status"] is not None and 200 <= attempt["status"] < 300


def is_answered(delivery: Obj) -> bool:
    """Say whether the endpoint has replied once, or never will."""
    return bool(delivery["attempts"]) or delivery["status"] in {"dropped", "canceled"}


def count_pending(world: World, event_id: str) -> None:
    """Write to the event how many endpoints have not taken it, without those that are gone or disabled."""
    event = world.find("event", event_id)
    if event is not None:
        deliveries = world.every(KIND, event=event_id)
        settled = {each["endpoint"] for each in deliveries if each["status"] in SETTLED}
        world.save(event | {"pending_webhooks": len({each["endpoint"] for each in deliveries} - settled)})


@action("send_webhook")
def send_webhook(world: World, delivery_id: str) -> None:
    """Let a delivery that waited, or was held, go."""
    delivery = world.find(KIND, delivery_id)
    if delivery is not None and delivery["status"] in {"waiting", "held"}:
        save(world, delivery | {"due": world.now()}, "due")


def _make(world: World, event: Obj, endpoint_id: str) -> Obj:
    now = world.clock.now()
    return {
        "id": "dlv_" + world.ids.text(24),
        "object": KIND,
        "created": now,
        "event": event["id"],
        "type": event["type"],
        "source": event["data"]["object"].get("id"),
        "endpoint": endpoint_id,
        "status": "due",
        "due": now,
        "is_automatic": True,
        "attempts": [],
    }


def _make_twin(world: World, event: Obj) -> Obj:
    """Return another event, saved, that tells the same fact."""
    return world.save(event | {"id": world.ids.of("event")})


def _plan_delivery(world: World, faults: FaultRules, event: Obj, endpoint: Obj) -> None:
    fate = faults.for_delivery(event["type"], endpoint["id"])
    for _ in range(fate.copies):
        delivery = _make(world, event, endpoint["id"])
        if fate.is_dropped:
            save(world, delivery, "dropped")
        elif fate.held_seconds is not None:
            _delay(world, delivery, fate.held_seconds, "held")  # or it would wait for ever if nothing came after it
        elif fate.delay_seconds:
            _delay(world, delivery, fate.delay_seconds)
        else:
            save(world, delivery, "due")
            _release_held(world, endpoint["id"])


def _delay(world: World, delivery: Obj, seconds: int, status: str = "waiting") -> None:
    """Make it due later on the sandbox's clock."""
    delivery = save(world, delivery | {"due": world.clock.now() + seconds}, status)
    world.schedule("send_webhook", delivery, delivery["due"])


def _release_held(world: World, endpoint_id: str) -> None:
    """Let what was held go after the one that was just planned."""
    for held in reversed(world.every(KIND, status="held", endpoint=endpoint_id)):
        world.cancel("send_webhook", held)
        world.store.remove(held["id"], KIND)  # to be saved again at the end of the queue
        save(world, held, "due")
