"""Addresses a mail may carry: exactly one mailbox, plain ASCII, nothing to parse twice."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from tollhouse.mail.errors import MailInvalid

ADDRESS_LENGTH_MAX: Final = 254  # RFC 5321 4.5.3.1.3: a path is 256 with its angle brackets
LOCAL_PART_LENGTH_MAX: Final = 64
DISPLAY_NAME_LENGTH_MAX: Final = 100

# A dot-atom (RFC 5322 3.2.3) at LDH labels. Quoted local parts, comments, domain literals and lists are refused: each
# of them is read differently by some library between here and the mailbox, and that is how one To becomes two.
_DOT_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_DOT_ATOM})@({_LABEL}(?:\.{_LABEL})*)")
_NAMED: Final = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>\s*")


def check_address(address: str) -> str:
    """The same address, when it is one plain ASCII mailbox; raises MailInvalid (which never quotes it) otherwise."""
    match = _ADDRESS.fullmatch(address)
    if match is None or len(address) > ADDRESS_LENGTH_MAX or len(match[1]) > LOCAL_PART_LENGTH_MAX:
        raise MailInvalid("The address is not one plain ASCII mailbox.")
    return address


def clean_line(text: str, *, length_max: int) -> str:
    """The text as one line: no line breaks, controls, direction overrides or lone surrogates, at most `length_max`."""
    kept = "".join(_clean_character(character) for character in text)
    line = " ".join(kept.split())
    return line if len(line) <= length_max else line[: length_max - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mail is from: a name to show and one address."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Sender:
        """The sender in `Acme <no-reply@acme.test>` or `no-reply@acme.test`; raises MailInvalid."""
        match = _NAMED.fullmatch(text)
        name, address = (match["name"], match["address"]) if match else ("", text.strip())
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        if clean_line(name, length_max=DISPLAY_NAME_LENGTH_MAX) != " ".join(name.split(" ")):
            raise MailInvalid("The sender's name has characters that a header cannot carry, or is too long.")
        return cls(name=name, address=check_address(address.strip()))

    @property
    def domain(self) -> str:
        """The domain part of the sender's address."""
        return self.address.rpartition("@")[2]


def _clean_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    if category in {"Cf", "Cs"} and character not in "\u200c\u200d":  # the joiners make Persian and emoji readable
        return ""
    return character
