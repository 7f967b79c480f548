"""What can go wrong while somebody signs in."""

from __future__ import annotations

from tollhouse.errors import Forbidden, RequestError, TollhouseError


class EmailInvalid(RequestError):
    """This is not an e-mail address that we can send to."""

    code = "email_invalid"
    status = 422


class NextInvalid(RequestError):
    """The page to go to afterwards is not on a known origin."""

    code = "next_invalid"
    status = 422


class MailUnavailable(TollhouseError):
    """Mail cannot be sent just now. Please try again in a few minutes."""

    code = "mail_unavailable"
    status = 503


class LinkInvalid(RequestError):
    """This link is not complete. Open it again from the mail, or type the code."""

    code = "magic_link_invalid"


class LinkElsewhere(LinkInvalid):
    """Go back to the browser where you began, and type the code from the mail there."""


class LinkExpired(RequestError):
    """This link has expired."""

    code = "magic_link_expired"
    status = 410


class LinkReplaced(LinkExpired):
    """A newer mail was asked for, and only the newest link works."""

    def __init__(self) -> None:
        """Say so in the evidence: its page leads to the newer mail instead of offering yet another."""
        super().__init__(replaced=True)


class LinkUsed(RequestError):
    """This link was already used."""

    code = "magic_link_used"
    status = 410


class CodeInvalid(RequestError):
    """This is not the code from the newest mail."""

    code = "code_invalid"


class CodeLocked(RequestError):
    """Too many wrong codes. Ask for a new mail."""

    code = "code_locked"
    status = 429


class CookieAmbiguous(RequestError):
    """The browser sent its cookie twice or damaged. Clear the cookies of this site and sign in again."""

    code = "cookie_ambiguous"


class UserBlocked(Forbidden):
    """This account is blocked."""

    code = "user_blocked"


class SignUpClosed(Forbidden):
    """Sign-up is by invitation, and this address has none."""

    code = "sign_up_closed"


class SignInStale(Forbidden):
    """This needs a fresh sign-in."""

    code = "sign_in_stale"
