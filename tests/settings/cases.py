"""Settings that are good, and how the tests ask for what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hostile.gate import SECRET
from tollhouse.errors import SettingsError
from tollhouse.settings import Settings

GOOD: dict[str, str] = {
    "URL": "https://auth.example.com",
    "SECRET": SECRET,
    "DATABASE_URL": "postgresql://tollhouse:dbPassw0rd@localhost/tollhouse",
    "SMTP_URL": "smtp+starttls://mailer:smtpPassw0rd@mail.example.com:587",
    "MAIL_FROM": "Example <no-reply@example.com>",
}
STRIPE = {"STRIPE_API_KEY": "sk_test_oneInAMillion", "STRIPE_WEBHOOK_SECRETS": "whsec_oneInAMillion"}
Load = Callable[..., Settings]


def problems(load: Load, **changed: str | None) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(**changed)
    return refused.value.problems
