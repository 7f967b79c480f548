"""Endpoints of the settings: checked before anything starts, and written down at each start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tollhouse.db import Transaction
from tollhouse.endpoints import endpoints
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.endpoints.secrets import Secret, problem_of, seal_secrets
from tollhouse.events.outbox import EVENT_TYPES
from tollhouse.outbound import OutboundRefused, Reach, Target
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.settings_structures import EndpointSettings

BY_SETTINGS: Final = "The settings say so."
NOT_DECLARED: Final = "It is in the settings no more."


def endpoint_problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the endpoints in the settings."""
    names = Counter(each.name for each in settings.endpoints)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"TOLLHOUSE_ENDPOINTS: the name {name} is there twice. Give each its own."
    for each in settings.endpoints:
        for problem in problems_of(each.url, each.event_types, is_private=each.private_network):
            yield f"TOLLHOUSE_ENDPOINTS: {each.name}: {problem}"
        for secret in each.secret:
            problem = problem_of(secret)
            if problem:
                yield f"TOLLHOUSE_ENDPOINTS: {each.name}: {problem}. Make one with `tollhouse endpoints new-secret`."


def problems_of(url: str, event_types: tuple[str, ...], *, is_private: bool) -> Iterator[str]:
    """Say what is wrong with where an endpoint is, and with what it wants."""
    try:
        Target.parse(url, Reach.PRIVATE if is_private else Reach.CONFIGURED)
    except OutboundRefused as error:
        yield error.detail
    for unknown in sorted(set(event_types) - EVENT_TYPES):
        yield f"there is no event {unknown}; there are {', '.join(sorted(EVENT_TYPES))}."


async def declare(run: Runtime) -> None:
    """Write the endpoints of the settings down, and disable those that were there and are no more."""
    await run.db.transact(_declare, run)
    for each in await endpoints.find_all(run):
        if each.disabled_at is not None:
            await endpoints.park(run, each, f"The endpoint was disabled. {each.disabled_because}")


async def _declare(tx: Transaction, run: Runtime) -> None:
    known = {each.name: each for each in await tx.fetch_all(endpoints.ALL)}
    for each in run.settings.endpoints:
        await endpoints.put(tx, _endpoint_of(run, each, known.get(each.name)))
    declared = {each.name for each in run.settings.endpoints}
    for each in known.values():
        if each.is_declared and each.name not in declared:
            await tx.execute(endpoints.DISABLE, wanted=each.name, now=run.now_us, because=NOT_DECLARED)
            await tx.execute(endpoints.UNSUBSCRIBE, subscriber=each.subscriber)
            await tx.execute(endpoints.RELEASE, wanted=each.name)


def _endpoint_of(run: Runtime, wanted: EndpointSettings, before: Endpoint | None) -> Endpoint:
    """Return an endpoint as the settings want it; one that was disabled since stays so, unless it moved."""
    disabled_at, because = None, None
    if not wanted.enabled:
        disabled_at, because = (before.disabled_at if before else None) or run.now_us, BY_SETTINGS
    elif before and before.url == wanted.url and before.disabled_because not in (BY_SETTINGS, NOT_DECLARED):
        disabled_at, because = before.disabled_at, before.disabled_because
    return Endpoint(
        name=wanted.name,
        url=wanted.url,
        secrets=seal_secrets(run.keys, wanted.name, [Secret(text) for text in wanted.secret]),
        event_types=endpoints.types_of(wanted.event_types),
        with_address=int(wanted.with_address),
        private_network=int(wanted.private_network),
        is_declared=1,
        disabled_at=disabled_at,
        disabled_because=because,
        created_at=before.created_at if before else run.now_us,
        enabled_at=before.enabled_at if before and _is_as_before(wanted, disabled_at, before) else run.now_us,
    )


def _is_as_before(wanted: EndpointSettings, disabled_at: int | None, before: Endpoint) -> bool:
    """Whether it gets what it got before: else it does so from now on, and nothing of before is missing."""
    return before.disabled_at == disabled_at and before.event_types == endpoints.types_of(wanted.event_types)
