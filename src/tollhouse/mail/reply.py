"""What a mail server's answer means: whose problem it is, whether waiting helps, and what of it may be told."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import aiosmtplib

from tollhouse.mail.errors import MailDeferred, MailRefused, MailUnsent

REPLY_LENGTH_MAX: Final = 200

_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_UNKNOWN_STATUSES: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})  # RFC 3463 3.2, RFC 7505
_SENDER_STATUSES: Final = frozenset({"5.1.7", "5.1.8"})  # RFC 3463 3.2: about the sender's address
_UNKNOWN_CODES: Final = frozenset({550, 556})
# Servers without enhanced status codes say "relay not permitted" with the very 550 that means "no such user".
_ABOUT_US: Final = re.compile(r"relay|authenti|authori[sz]|not verified|sender|spoof", re.IGNORECASE)
_NOT_ABOUT_THE_MAILBOX: Final = re.compile(r"denied|polic|spam|block|black|reputation|reject\w* due", re.IGNORECASE)
_AUTH_CODES: Final = frozenset({530, 534, 535, 538})

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_ADDRESS_LIKE: Final = re.compile(r"[^\s<>()\[\]:;,\"']+(?:@|%40|=40|\+40)[^\s<>()\[\]:;,\"']+", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\b\d{6}\b")


class Stage(StrEnum):
    """A step of the conversation with the server."""

    QUEUE = "queue"
    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    NOOP = "noop"


def read_failure(stage: Stage, failure: Exception, *, private: Iterable[str]) -> MailUnsent:
    """The failure of one step as our own error, saying nothing in `private`.

    The caller must raise it outside its `except` block: the original quotes addresses, and must not hang on as context.
    """
    if isinstance(failure, aiosmtplib.SMTPResponseException) and 400 <= failure.code <= 599:
        return _read_reply(stage, failure.code, failure.message, private)
    if isinstance(failure, aiosmtplib.SMTPResponseException):  # an answer, but not one to this question
        return _lost("The mail server does not speak SMTP as expected.", stage)
    cause = failure if isinstance(failure, ssl.SSLError) else failure.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        told = f"The mail server's certificate is not trusted: {cause.verify_message}"[:REPLY_LENGTH_MAX]
        return MailDeferred(told, stage=stage, operator_problem=True)
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        told = f"TLS with the mail server failed: {cause.reason or 'unknown'}"
        return MailDeferred(told, stage=stage, operator_problem=True, may_have_been_sent=stage is Stage.DATA)
    if isinstance(failure, TimeoutError):
        return timed_out(stage)
    # Whatever else the library or the system says may quote the host, the command or its argument: name its kind only.
    return _lost(f"The connection to the mail server failed ({type(cause or failure).__name__}).", stage)


def timed_out(stage: Stage) -> MailDeferred:
    """The error for a server that did not answer in time."""
    return _lost("The mail server did not answer in time.", stage)


def redact(text: str, *, private: Iterable[str]) -> str:
    """The text as one short line without addresses, links, six-digit codes or anything in `private`."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = _ADDRESS_LIKE.sub("[address]", _URL.sub("[link]", line))
    for secret in sorted(filter(None, private), key=len, reverse=True):
        bounded = rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])"
        line = re.sub(bounded, "[redacted]", line, flags=re.IGNORECASE)
    return " ".join(_DIGITS.sub("[digits]", line).split())[:REPLY_LENGTH_MAX]


def _lost(told: str, stage: Stage) -> MailDeferred:
    """No answer: in DATA the mail may have arrived all the same."""
    return MailDeferred(told, stage=stage, may_have_been_sent=stage is Stage.DATA)


def _read_reply(stage: Stage, code: int, text: str, private: Iterable[str]) -> MailUnsent:
    match = _ENHANCED.match(text)
    enhanced = match[1] if match else None
    told = f"The mail server answered {code} at {stage}: {redact(text, private=private)}"
    if code < 500:
        return MailDeferred(told, stage=stage, smtp_code=code, enhanced_status=enhanced)
    if stage is Stage.DATA:
        # The words are ours and the recipient was accepted: somebody has to look, and trying again changes nothing.
        return MailRefused(told, stage=stage, smtp_code=code, enhanced_status=enhanced, operator_problem=True)
    if stage is not Stage.RCPT or _is_about_us(code, enhanced, text):
        return MailDeferred(told, stage=stage, smtp_code=code, enhanced_status=enhanced, operator_problem=True)
    unknown = _says_unknown(code, enhanced, text)
    return MailRefused(told, stage=stage, smtp_code=code, enhanced_status=enhanced, recipient_unknown=unknown)


def _is_about_us(code: int, enhanced: str | None, text: str) -> bool:
    """Whether a refusal at RCPT blames the sender: no login, no right to relay, a blocked server."""
    if enhanced is None:
        return code in _AUTH_CODES or _ABOUT_US.search(text) is not None
    return code in _AUTH_CODES or enhanced.startswith("5.7.") or enhanced in _SENDER_STATUSES


def _says_unknown(code: int, enhanced: str | None, text: str) -> bool:
    """Whether nobody is there. In doubt no: a suppressed address cannot sign in any more."""
    if enhanced is not None:
        return enhanced in _UNKNOWN_STATUSES
    return code in _UNKNOWN_CODES and _NOT_ABOUT_THE_MAILBOX.search(text) is None
