"""What is counted; labels hold kinds and outcomes only, never who."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry: Final = CollectorRegistry()

deliveries: Final = Counter(
    "tollhouse_deliveries", "Deliveries by subscriber and outcome.", ("subscriber", "status"), registry=registry
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
