"""Bank accounts for tests, and what becomes of a debit. Source: docs.stripe.com/testing, the pages of each debit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid

US_SECONDS: Final = 3 * DAY_SECONDS
# As in Stripe's test mode, which does not let a test wait for a bank's days.
SEPA_SECONDS: Final = 5
SEPA_LATE_SECONDS: Final = 180
NEVER: Final = -1
IBAN_LENGTHS: Final = (15, 34)


@dataclass(frozen=True, slots=True)
class Account:
    """What a debit of this account comes to, and after how many seconds."""

    seconds: int
    decline: str = ""
    is_disputed: bool = False


US_ACCOUNTS: Final = {
    "000123456789": Account(US_SECONDS),
    "000111111113": Account(US_SECONDS, "account_closed"),
    "000111111116": Account(US_SECONDS, "no_account"),
    "000222222227": Account(US_SECONDS, "insufficient_funds"),
    "000333333335": Account(US_SECONDS, "debit_not_authorized"),
    "000444444440": Account(US_SECONDS, "bank_account_restricted"),
    "000555555559": Account(US_SECONDS, is_disputed=True),
    "000000000009": Account(NEVER),
}
# By the names in Stripe's test ids, after `pm_usBankAccount_`.
US_NAMES: Final = {
    "success": "000123456789",
    "accountClosed": "000111111113",
    "noAccount": "000111111116",
    "insufficientFunds": "000222222227",
    "debitNotAuthorized": "000333333335",
    "invalidCurrency": "000444444440",
    "dispute": "000555555559",
    "processing": "000000000009",
}
IBANS: Final = {
    "AT321904300235473204": Account(SEPA_LATE_SECONDS),
    "AT861904300235473202": Account(SEPA_SECONDS, "debit_not_authorized"),
    "AT051904300235473205": Account(SEPA_LATE_SECONDS, "debit_not_authorized"),
    "AT591904300235473203": Account(SEPA_SECONDS, is_disputed=True),
    "DE08370400440532013003": Account(SEPA_LATE_SECONDS),
    "DE62370400440532013001": Account(SEPA_SECONDS, "debit_not_authorized"),
    "DE78370400440532013004": Account(SEPA_LATE_SECONDS, "debit_not_authorized"),
    "DE35370400440532013002": Account(SEPA_SECONDS, is_disputed=True),
    "FR5720041010050500013M02608": Account(SEPA_LATE_SECONDS),
    "FR8420041010050500013M02607": Account(SEPA_SECONDS, "debit_not_authorized"),
    "IT60X0542811101000000123456": Account(SEPA_SECONDS, "debit_not_authorized"),
}
OTHERS: Final = {
    ("bacs_debit", "22222227"): Account(US_SECONDS, "insufficient_funds"),
    ("bacs_debit", "33333335"): Account(US_SECONDS, "debit_not_authorized"),
    ("au_becs_debit", "111111113"): Account(US_SECONDS, "account_closed"),
    ("au_becs_debit", "111111116"): Account(US_SECONDS, "no_account"),
    ("au_becs_debit", "222222227"): Account(US_SECONDS, "insufficient_funds"),
    ("acss_debit", "000222222227"): Account(US_SECONDS, "insufficient_funds"),
}
# How many letters and digits of a country's IBANs name the bank, and the branch after it.
BANK_CODES: Final = {
    "AT": (5, 0), "BE": (3, 0), "DE": (8, 0), "DK": (4, 0), "ES": (4, 4), "FR": (5, 5), "IE": (4, 6), "LU": (3, 0),
    "NL": (4, 0), "PT": (4, 4),
}  # fmt: skip
BANK_CODE_USUAL: Final = (4, 0)


def find(kind: str, number: str) -> Account:
    """Return what a debit of this account comes to; an account that is not known is paid from."""
    if kind == "us_bank_account":
        return US_ACCOUNTS[number]
    if kind == "sepa_debit":
        return IBANS.get(number, Account(SEPA_SECONDS))
    return OTHERS.get((kind, number), Account(US_SECONDS))


def read_us_account(number: str, param: str) -> str:
    """Return the number of a test account. Raises `StripeError` 400 for any other, which may be somebody's."""
    if number not in US_ACCOUNTS:
        raise invalid(
            "You must use a test bank account number in test mode. Try 000123456789 or see more options at"
            " https://stripe.com/docs/payments/ach-direct-debit/accept-a-payment#test-integration.",
            param,
            "account_number_invalid",
        )
    return number


def read_iban(given: str, param: str) -> str:
    """Return an IBAN without its blanks. Raises `StripeError` 400 unless its check digits are right (ISO 13616)."""
    iban = "".join(given.split()).upper()
    shortest, longest = IBAN_LENGTHS
    digits = "".join(str(int(each, 36)) for each in iban[4:] + iban[:4]) if iban.isascii() and iban.isalnum() else "0"
    if not (shortest <= len(iban) <= longest and iban[:2].isalpha() and int(digits) % 97 == 1):
        raise invalid("The IBAN you provided is invalid.", param, "invalid_bank_account_iban")
    return iban


def split_iban(iban: str) -> tuple[str, str]:
    """Return the codes of the bank and of its branch, which may be empty."""
    bank, branch = BANK_CODES.get(iban[:2], BANK_CODE_USUAL)
    return iban[4 : 4 + bank], iban[4 + bank : 4 + bank + branch]
