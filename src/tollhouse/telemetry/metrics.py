"""What is counted; labels hold kinds and outcomes only, never who."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry: Final = CollectorRegistry()

deliveries: Final = Counter(
    "tollhouse_deliveries", "Deliveries by subscriber and outcome.", ("subscriber", "status"), registry=registry
)
endpoints_disabled: Final = Counter(
    "tollhouse_endpoints_disabled",
    "Endpoints disabled because they failed.",
    ("endpoint",),
    registry=registry,
)
links: Final = Counter(
    "tollhouse_magic_links", "Magic links by what happened to them.", ("outcome",), registry=registry
)
sign_ins: Final = Counter("tollhouse_sign_ins", "Sign-ins by way and outcome.", ("way", "outcome"), registry=registry)
limited: Final = Counter("tollhouse_rate_limited", "Requests refused by a limit.", ("limit",), registry=registry)
tokens: Final = Counter(
    "tollhouse_tokens", "Bearer tokens by issuer and what came of them.", ("issuer", "outcome"), registry=registry
)
requests: Final = Histogram(
    "tollhouse_request_seconds",
    "Requests of Tollhouse's own routes.",
    ("route", "status"),
    registry=registry,
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10),
)
mail_wait: Final = Gauge(
    "tollhouse_mail_wait_seconds", "How long the oldest mail has waited for the mail server.", registry=registry
)
jwks_fetches: Final = Counter(
    "tollhouse_jwks_fetches", "Fetches of issuers' keys by outcome.", ("issuer", "outcome"), registry=registry
)
jwks_age: Final = Gauge(
    "tollhouse_jwks_age_seconds",
    "How long ago an issuer last said which its keys are.",
    ("issuer",),
    registry=registry,
)
stripe_requests: Final = Histogram(
    "tollhouse_stripe_request_seconds",
    "Calls to Stripe with all their attempts, by outcome: ok, refused or unavailable.",
    ("outcome",),
    registry=registry,
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
stripe_circuit_open: Final = Gauge(
    "tollhouse_stripe_circuit_open", "1 while Stripe failed so often that nobody waits for it.", registry=registry
)
stripe_events: Final = Counter(
    "tollhouse_stripe_events",
    "Events of Stripe's by what they are about and what came of them.",
    ("about", "status"),
    registry=registry,
)
stripe_parked: Final = Gauge(
    "tollhouse_stripe_parked", "Events of Stripe's that are parked: look at each.", registry=registry
)
stripe_refreshes: Final = Counter(
    "tollhouse_stripe_refreshes",
    "Objects read at Stripe again, by kind and outcome.",
    ("kind", "outcome"),
    registry=registry,
)
stripe_endpoint_down: Final = Gauge(
    "tollhouse_stripe_endpoint_down",
    "1 while Stripe has no webhook endpoint of ours, or disabled it.",
    registry=registry,
)
stripe_events_late: Final = Gauge(
    "tollhouse_stripe_events_late_seconds",
    "How long ago something happened at Stripe of which no event came; 0 while all is well.",
    registry=registry,
)
reconcile_differences: Final = Gauge(
    "tollhouse_reconcile_differences", "What the last reconciliation left unrepaired.", ("kind",), registry=registry
)
reconcile_finished_at: Final = Gauge(
    "tollhouse_reconcile_finished_seconds", "When the last reconciliation was through, in Unix time.", registry=registry
)
