"""The whole comparison, step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from tollhouse.billing import refresh
from tollhouse.billing.reconcile import accounts, invoices, payments, reversals, sessions, subscriptions
from tollhouse.billing.reconcile.differences import KINDS, Report
from tollhouse.billing.reconcile.run import Progress, Run
from tollhouse.billing.till import Till
from tollhouse.clock import DAY, MINUTE
from tollhouse.telemetry import metrics

log = structlog.get_logger()

YOUNG_US: Final = 2 * MINUTE  # younger than this an object is left to its webhooks

# Stripe's side first: what it has and we have not is repaired before our side is compared, and is not told twice.
STEPS: Final[tuple[Callable[[Run], Awaitable[None]], ...]] = (
    sessions.compare_sessions,
    subscriptions.compare_subscriptions,
    invoices.compare_invoices,
    reversals.compare_refunds,
    reversals.compare_disputes,
    sessions.compare_unsettled,
    subscriptions.compare_living,
    subscriptions.compare_doubled,
    reversals.compare_own,
    payments.compare_payments,
    accounts.compare_accounts,
)


async def reconcile(till: Till, *, days: int, repair: bool, progress: Progress | None = None) -> Report:
    """Return what differs between Stripe and our books, after repairing what can be if asked to.

    Compared are Stripe's objects made in the last `days`, all subscriptions that are not over, what still waits or may
    still change however old it is, and every account of the ledger. Repairing does what the webhooks would have
    done, by the same functions: twice is as good as once, and webhooks may come meanwhile. Raises
    `StripeUnavailable`, `StripeRefused` and `DatabaseUnavailable`; what was repaired until then stays so.
    """
    until = till.run.now_us - YOUNG_US
    run = Run(till, Report(until - days * DAY, until), repairs=repair, progress=progress, steps=len(STEPS))
    for step in STEPS:
        await step(run)
        run.finish_step()
    report = run.report
    if report.repaired:
        till.run.outbox.wake()
        refresh.wake(till.run)
    for kind in KINDS:
        metrics.reconcile_differences.labels(kind).set(report.found[kind] - report.repaired[kind])
    metrics.reconcile_finished_at.set(till.run.now_us / 1_000_000)
    log.info(
        "reconcile_done",
        days=days,
        compared=report.compared.total(),
        found=report.found.total(),
        repaired=report.repaired.total(),
    )
    return report
