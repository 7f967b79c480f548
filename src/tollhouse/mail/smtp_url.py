"""The SMTP_URL setting: which server, how it is protected, and who we are to it."""

from __future__ import annotations

import functools
import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tollhouse.mail import ses
from tollhouse.mail.errors import SmtpUrlInvalid

TIMEOUT_SECONDS: Final = 30.0
TIMEOUT_SECONDS_MIN: Final = 1.0
TIMEOUT_SECONDS_MAX: Final = 300.0

_IAM_SECRET_LENGTH: Final = 40
_OPTIONS: Final = ("plaintext", "ca_file", "timeout_seconds", "ses_iam")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SHAPE: Final = "smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://localhost:1025"


class Security(StrEnum):
    """How the connection is protected, named by the URL's scheme."""

    PLAIN = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


_PORTS: Final = {Security.PLAIN: 25, Security.STARTTLS: 587, Security.TLS: 465}


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where mail is handed over and how; the repr shows neither user nor password."""

    host: str
    port: int
    security: Security
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def parse(cls, url: str) -> SmtpSettings:
        """The settings in an `smtp://`, `smtps://` or `smtp+starttls://` URL.

        Options: `plaintext=yes` (no TLS off this machine, and then no password), `ca_file=` (a private CA),
        `timeout_seconds=`, `ses_iam=yes` (the password is an IAM secret access key). Raises SmtpUrlInvalid with
        every problem at once, the password in none of them.
        """
        return _Reader(url).read()

    def make_tls_context(self) -> ssl.SSLContext | None:
        """What certificates are checked with, or None for a plaintext connection."""
        if self.security is Security.PLAIN:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else _make_usual_context()
        except (OSError, ssl.SSLError):
            raise SmtpUrlInvalid(
                [f"TOLLHOUSE_SMTP_URL: ca_file={self.ca_file} is not a readable PEM certificate file."]
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


@functools.cache
def _make_usual_context() -> ssl.SSLContext:
    """Return the system's authorities; reading them takes 20 ms and more, so once."""
    return ssl.create_default_context()


class _Reader:
    """Reads one URL and keeps what is wrong with it; no piece of the URL but host and scheme is ever quoted."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._problems: list[str] = []
        self._options: dict[str, str] = {}

    def read(self) -> SmtpSettings:
        parts = self._split()
        security = self._security(parts)
        self._read_options(parts)
        host, port = self._host(parts), self._port(parts, security)
        user, password = self._credentials(parts)
        self._check_plaintext(security, host, with_credentials=password is not None)
        if password is not None:
            password = self._ses_password(host, password)
        settings = SmtpSettings(
            host=host,
            port=port,
            security=security,
            user=user,
            password=password,
            ca_file=self._options.get("ca_file"),
            timeout_seconds=self._timeout(),
        )
        if not self._problems and settings.ca_file is not None:
            settings.make_tls_context()
        self._raise_problems()
        return settings

    def _split(self) -> SplitResult:
        # urlsplit silently drops tabs and newlines, so what it shows is not what was given: refuse them first.
        if not self._url.isprintable() or " " in self._url:
            self._blame("has spaces or control characters; percent-encode them")
            self._raise_problems()
        try:
            parts = urlsplit(self._url)
        except ValueError:  # its message quotes the URL
            parts = None
        if parts is None or not parts.netloc:
            self._blame(f"is not a URL such as {_SHAPE}")
            self._raise_problems()
        assert parts is not None
        if parts.path not in {"", "/"} or parts.fragment:
            self._blame("goes on after the host; percent-encode '/', '?', '#' and '@' in user and password")
            self._raise_problems()
        return parts

    def _security(self, parts: SplitResult) -> Security:
        try:
            return Security(parts.scheme)
        except ValueError:
            self._blame(f"begins with none of smtp, smtps and smtp+starttls; write it like {_SHAPE}")
            return Security.TLS

    def _read_options(self, parts: SplitResult) -> None:
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _OPTIONS or name in self._options:
                self._blame(f"has an unknown or repeated option; the options are {', '.join(_OPTIONS)}")
                continue
            self._options[name] = value
        for name in ("plaintext", "ses_iam"):
            if self._options.get(name, "yes") != "yes":
                self._blame(f"has {name} with another value than yes; write {name}=yes or leave it out")

    def _host(self, parts: SplitResult) -> str:
        host = parts.hostname or ""
        if not host:
            self._blame("names no host")
        elif _address_of(host) is None and _HOST.fullmatch(host) is None:
            self._blame("has a host that is neither a name in ASCII nor an IP address")
        return host

    def _port(self, parts: SplitResult, security: Security) -> int:
        try:
            port = parts.port
        except ValueError:  # its message quotes what stands there, which may be half a password
            port = 0
        if port == 0:
            self._blame("has a port that is not a number from 1 to 65535 (or a password with '/', '?' or '#' in it)")
        return port or _PORTS[security]

    def _credentials(self, parts: SplitResult) -> tuple[str | None, str | None]:
        if "@" not in parts.netloc:
            return None, None
        try:
            user, password = (unquote(part or "", errors="strict") for part in (parts.username, parts.password))
        except UnicodeDecodeError:
            self._blame("has a user or password that is not percent-encoded UTF-8")
            return None, None
        if not user or not password:
            self._blame("has a user without a password, or the other way round")
        if not (user + password).isprintable():
            self._blame("has control characters in user or password")
        return user, password

    def _check_plaintext(self, security: Security, host: str, *, with_credentials: bool) -> None:
        if security is not Security.PLAIN:
            if "plaintext" in self._options:
                self._blame(f"asks for TLS by {security} and for plaintext=yes; choose one")
            return
        if "ca_file" in self._options:
            self._blame("has a ca_file but no TLS; use smtps:// or smtp+starttls://")
        if _is_loopback(host):
            return
        if with_credentials:
            self._blame("would send the password unencrypted; use smtps:// (465) or smtp+starttls:// (587)")
        elif "plaintext" not in self._options:
            self._blame("would send mail unencrypted; use smtps:// or smtp+starttls://, or say plaintext=yes")

    def _ses_password(self, host: str, password: str) -> str:
        region = ses.region_of(host)
        if "ses_iam" in self._options:
            if region is None:
                self._blame("says ses_iam=yes, but the host is not email-smtp.<region>.amazonaws.com")
                return password
            return ses.smtp_password(password, region)
        if region is not None and len(password) == _IAM_SECRET_LENGTH:
            self._blame("has what looks like an IAM secret access key as SES password; add ses_iam=yes to derive it")
        return password

    def _timeout(self) -> float:
        text = self._options.get("timeout_seconds", str(TIMEOUT_SECONDS))
        seconds = float(text) if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,3})?", text) else 0.0
        if not TIMEOUT_SECONDS_MIN <= seconds <= TIMEOUT_SECONDS_MAX:
            self._blame(f"has timeout_seconds outside {TIMEOUT_SECONDS_MIN:g} to {TIMEOUT_SECONDS_MAX:g}")
        return seconds

    def _blame(self, problem: str) -> None:
        self._problems.append(f"TOLLHOUSE_SMTP_URL {problem}.")

    def _raise_problems(self) -> None:
        if self._problems:
            raise SmtpUrlInvalid(self._problems)


def _is_loopback(host: str) -> bool:
    address = _address_of(host)
    return address.is_loopback if address else host == "localhost"


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
