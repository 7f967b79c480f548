"""What can go wrong with a mail: never ours to send, refused for good, or to be tried again."""

from __future__ import annotations

from typing import Any

from tollhouse.errors import SettingsError, TollhouseError


class MailError(TollhouseError):
    """The mail cannot be sent."""

    code = "mail_error"


class MailInvalid(MailError):
    """The mail is not one that can be sent."""

    code = "mail_invalid"


class SmtpUrlInvalid(SettingsError):
    """The SMTP URL is not one that mail can safely be sent with; `problems` lists everything, the password never."""

    code = "smtp_url_invalid"


class MailUnsent(MailError):
    """The mail server did not take the mail.

    `stage` is the step of the conversation (`connect`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data`, …).
    `operator_problem` says that somebody who runs this server has to act: nothing about the recipient is wrong.
    """

    code = "mail_unsent"
    status = 503

    def __init__(
        self,
        detail: str | None = None,
        *,
        stage: str,
        smtp_code: int | None = None,
        enhanced_status: str | None = None,
        operator_problem: bool = False,
        **evidence: Any,
    ) -> None:
        """Carry the server's verdict; `detail` must be redacted already."""
        self.stage = stage
        self.smtp_code = smtp_code
        self.enhanced_status = enhanced_status
        self.operator_problem = operator_problem
        super().__init__(
            detail,
            stage=stage,
            smtp_code=smtp_code,
            enhanced_status=enhanced_status,
            operator_problem=operator_problem,
            **evidence,
        )


class MailRefused(MailUnsent):
    """The mail server refused this recipient or this mail for good."""

    code = "mail_refused"
    status = 502

    def __init__(self, detail: str | None = None, *, recipient_unknown: bool = False, **evidence: Any) -> None:
        """Say with `recipient_unknown` that nobody is at this address, so it is not worth writing to again."""
        self.recipient_unknown = recipient_unknown
        super().__init__(detail, recipient_unknown=recipient_unknown, **evidence)


class MailDeferred(MailUnsent):
    """The mail could not be sent just now; trying again later can help."""

    code = "mail_deferred"

    def __init__(self, detail: str | None = None, *, may_have_been_sent: bool = False, **evidence: Any) -> None:
        """Say with `may_have_been_sent` that the mail left and the answer was lost; a retry carries the same id."""
        self.may_have_been_sent = may_have_been_sent
        super().__init__(detail, may_have_been_sent=may_have_been_sent, **evidence)
