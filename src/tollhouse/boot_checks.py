"""What only the parsers of higher floors can say about the settings, before anything starts (law L8)."""

from __future__ import annotations

from collections.abc import Iterator

from tollhouse.access.access_tokens import claims_problems
from tollhouse.access.clients import client_problems
from tollhouse.access.issuers import issuer_problems
from tollhouse.endpoints.declared import endpoint_problems
from tollhouse.errors import SettingsError
from tollhouse.mail.address import Sender
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.smtp import SmtpSettings
from tollhouse.settings import Settings


def settings_problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the settings of the floors above them, by the parsers that will read them."""
    yield from claims_problems(settings)
    yield from issuer_problems(settings)
    yield from client_problems(settings)
    yield from endpoint_problems(settings)
    if settings.smtp_url is not None:
        try:
            SmtpSettings.parse(settings.smtp_url)
        except SettingsError as error:
            yield from error.problems
    if settings.mail_from is not None:
        try:
            Sender.parse(settings.mail_from)
        except MailInvalid as error:
            yield f"TOLLHOUSE_MAIL_FROM: {error.detail}"
