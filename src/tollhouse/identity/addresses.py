"""E-mail addresses: one spelling for each mailbox, or a refusal."""

from __future__ import annotations

import re
from typing import Final

from email_validator import EmailNotValidError, validate_email

from tollhouse.identity.errors import EmailInvalid

LENGTH_MAX: Final = 254
LOCAL_PART_LENGTH_MAX: Final = 64  # RFC 5321 4.5.3.1.1
# Capitals that UTS 46 refused until Unicode 15.1 and maps since: one library's domain is another one's error.
READ_TWO_WAYS: Final = re.compile("[\u04c0\u10a0-\u10c5\u2132\u2183]")
LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def parse(text: object) -> str:
    """Return the one spelling of an address: ASCII, lower case, the domain in A-labels; raise `EmailInvalid`.

    What is returned is what is digested, stored and mailed, so no second reading can lead elsewhere. Quoted local
    parts, comments and literals are refused. So is every non-ASCII spelling of an ASCII name (`ｅxample`, the Kelvin
    sign for k): Unicode maps some 1,200 of them onto somebody's domain, and nobody types them by accident. Dots and
    `+tags` are kept: only the mailbox's own host knows what they mean.
    """
    if not isinstance(text, str):
        raise EmailInvalid("Give one e-mail address.")
    address = text.strip(" \t")  # a line end beside it was meant for a header, not for us
    local, _, domain = address.rpartition("@")
    if len(local) > LOCAL_PART_LENGTH_MAX or not LOCAL_PART.fullmatch(local) or "." not in domain.strip("."):
        raise EmailInvalid
    if len(address) > LENGTH_MAX or READ_TWO_WAYS.search(domain):
        raise EmailInvalid
    try:
        # Looking the domain up would tell by its delay who is asked for; reserved names are the operator's own.
        found = validate_email(
            address,
            check_deliverability=False,
            allow_smtputf8=False,
            globally_deliverable=False,
            allow_domain_literal=False,
        )
    except EmailNotValidError as error:
        raise EmailInvalid from error
    ascii_domain = (found.ascii_domain or "").lower()
    if not _labels_agree(domain, ascii_domain) or len(local) + 1 + len(ascii_domain) > LENGTH_MAX:
        raise EmailInvalid
    return f"{_lower(local)}@{ascii_domain}"


def _labels_agree(typed: str, ascii_domain: str) -> bool:
    """Whether each label is typed in ASCII as it is, or is a true international label with an A-label of its own."""
    labels = typed.split(".")
    a_labels = ascii_domain.split(".")
    return len(labels) == len(a_labels) and all(
        _lower(label) == a_label if label.isascii() else a_label.startswith("xn--")
        for label, a_label in zip(labels, a_labels, strict=True)
    )


def _lower(text: str) -> str:
    """Lower A–Z only; other rules of case belong to languages, and differ between databases."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)


def mask(address: str) -> str:
    """Return an address that its owner recognises and a stranger does not learn: `a•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[0]}•••@{domain}"
