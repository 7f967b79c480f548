"""Every page in each of its states, with ordinary words or with hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tollhouse.pages import Action

from .samples_billing import contexts


@dataclass(frozen=True)
class Device:
    id: str
    device: str
    created: str
    last_seen: str
    current: bool


@dataclass(frozen=True)
class Mail:
    id: str
    to: str
    subject: str
    received_at: str
    text: str = ""
    link: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Sample:
    name: str
    template: str
    context: dict[str, object] = field(default_factory=dict[str, object])


def itself(word: str) -> str:
    return word


def samples(say: Callable[[str], str] = itself) -> Iterator[Sample]:
    """Each state of each page; `say` turns every free word of the context, so that tests can make them hostile."""
    yield from _sign_in(say)
    yield Sample("callback", "callback.html")
    yield from _errors(say)
    yield from _account(say)
    yield from _dev_mail(say)
    for name, template, context in contexts(say):
        yield Sample(name, template, context)


def _sign_in(say: Callable[[str], str]) -> Iterator[Sample]:
    empty: dict[str, object] = {"next": None, "email": "", "error": None, "signed_in_as": None}
    yield Sample("sign_in", "sign_in.html", empty)
    yield Sample(
        "sign_in_again",
        "sign_in.html",
        empty | {"next": say("/account"), "email": say("alice@example.com"), "signed_in_as": say("b***@example.com")},
    )
    error = say("This does not look like an e-mail address. Is the part after the @ complete?")
    yield Sample("sign_in_error", "sign_in.html", empty | {"email": say("alice@example"), "error": error})
    sent: dict[str, object] = {
        "email": say("a***@example.com"),
        "error": None,
        "tries_left": None,
        "minutes": 10,
        "dev_mail_url": None,
    }
    yield Sample("check_your_email", "check_your_email.html", sent)
    wrong: dict[str, object] = {"error": say("This code is not right."), "tries_left": 3, "dev_mail_url": "/dev/mail"}
    yield Sample("check_your_email_error", "check_your_email.html", sent | wrong)


def _errors(say: Callable[[str], str]) -> Iterator[Sample]:
    again = Action(
        label=say("Send a new mail"), post="/auth/magic-links/again", fields={"token": say("t")}, primary=True
    )
    yield Sample(
        "error_expired",
        "error.html",
        {
            "title": say("This link has expired"),
            "message": say("Links work for 10 minutes. We can send you a new one."),
            "actions": [again, Action(label=say("Use another address"), href="/auth/sign-in")],
            "request_id": None,
        },
    )
    yield Sample(
        "error_unavailable",
        "error.html",
        {
            "title": say("We are not able to answer just now"),
            "message": say("Please try again in a few seconds."),
            "actions": [],
            "request_id": say("req_01J9ZK4T6M8Q2W5X7Y9A1B3C5D"),
        },
    )


def _account(say: Callable[[str], str]) -> Iterator[Sample]:
    devices = [
        Device("ses_1", say("Firefox on Linux"), say("today at 09:12"), say("now"), current=True),
        Device("ses_2", say("Safari on iPhone"), say("on 3 May 2026"), say("2 hours ago"), current=False),
        Device(say("ses_3"), say("Unknown browser"), say("on 27 April 2026"), say("6 days ago"), current=False),
    ]
    context: dict[str, object] = {
        "email": say("alice@example.com"),
        "sessions": devices,
        "can_delete": True,
        "message": None,
        "has_till": True,
    }
    yield Sample("account", "account.html", context)
    alone: dict[str, object] = {
        "sessions": devices[:1],
        "can_delete": False,
        "has_till": False,
        "message": say("Two devices are signed out."),
    }
    yield Sample("account_alone", "account.html", context | alone)
    yield Sample("delete_account", "delete_account.html", {"email": say("alice@example.com"), "fresh": True})
    yield Sample("delete_account_stale", "delete_account.html", {"email": say("alice@example.com"), "fresh": False})
    yield Sample("signed_out", "signed_out.html")
    yield Sample("account_deleted", "account_deleted.html")


def _dev_mail(say: Callable[[str], str]) -> Iterator[Sample]:
    mail = Mail(
        id=say("42"),
        to=say("alice@example.com"),
        subject=say("Sign in to Harbour Notes"),
        received_at=say("today at 09:11"),
        text=say(
            "Open this link to sign in:\n\nhttp://localhost:8000/auth/callback#" + "t" * 43 + "\n\nOr type 123 456."
        ),
        link=say("http://localhost:8000/auth/callback#" + "t" * 43),
        code=say("123456"),
    )
    yield Sample("dev_mail", "dev_mail.html", {"mail": mail})
    yield Sample("dev_mail_list", "dev_mail_list.html", {"mails": [mail, mail]})
    yield Sample("dev_mail_list_empty", "dev_mail_list.html", {"mails": []})
