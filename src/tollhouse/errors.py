"""The tree of errors: what went wrong, as a stable code, an HTTP status and the evidence."""

from __future__ import annotations

from typing import Any, ClassVar


class TollhouseError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None, **evidence: Any) -> None:
        """Make the error; `detail` defaults to the class docstring, `evidence` goes out beside it.

        Evidence holds plain JSON values only and never a secret, a token or an address.
        """
        self.detail = detail or self._summary()
        self.evidence = evidence
        super().__init__(self.detail)

    @classmethod
    def _summary(cls) -> str:
        return (cls.__doc__ or "").strip().split("\n")[0]

    @property
    def public_detail(self) -> str:
        """What is told outside: of our own failures no more than the kind, the rest is in the log."""
        return self._summary() if self.status >= 500 else self.detail

    @property
    def retry_after_seconds(self) -> int | None:
        """How long to wait before trying again, where waiting helps."""
        return self.evidence.get("retry_after_seconds")

    @property
    def challenge(self) -> str | None:
        """The value of `WWW-Authenticate`, where a token is wanted (RFC 9110, 11.6.1)."""
        return None


class SettingsError(TollhouseError):
    """The settings are missing something or are not safe, so Tollhouse does not start."""

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        """Carry every problem at once, each with its fix."""
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"Tollhouse does not start with these settings:\n{lines}")


class DatabaseUnavailable(TollhouseError):
    """The database does not answer just now."""

    code = "database_unavailable"
    status = 503

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 5) -> None:
        """Say when to come back."""
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class RequestError(TollhouseError):
    """The request cannot be served as it is."""

    code = "request_invalid"
    status = 400


class BodyInvalid(RequestError):
    """The body of the request is not what this route takes."""

    code = "body_invalid"
    status = 422


class BodyTooLarge(RequestError):
    """The body of the request is larger than this route takes."""

    code = "body_too_large"
    status = 413


class RateLimited(RequestError):
    """Too many requests; please wait a little."""

    code = "rate_limited"
    status = 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        """Say when the next request will be taken."""
        super().__init__(
            f"Please try again in {_say_wait(retry_after_seconds)}.",
            retry_after_seconds=retry_after_seconds,
        )


def _say_wait(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"


class Forbidden(RequestError):
    """This is not allowed."""

    code = "forbidden"
    status = 403


class NotSignedIn(RequestError):
    """Nobody is signed in here."""

    code = "not_signed_in"
    status = 401


class NotFound(RequestError):
    """There is nothing here."""

    code = "not_found"
    status = 404
