from __future__ import annotations

from pathlib import Path

import pytest

from tollhouse.errors import SettingsError
from tollhouse.mail.errors import SmtpUrlInvalid
from tollhouse.mail.smtp import SmtpSettings
from tollhouse.mail.smtp_url import Security


@pytest.mark.parametrize(
    ("url", "host", "port", "security", "user", "password"),
    [
        ("smtps://u:p@mail.acme.test", "mail.acme.test", 465, Security.TLS, "u", "p"),
        ("smtp+starttls://u:p@mail.acme.test", "mail.acme.test", 587, Security.STARTTLS, "u", "p"),
        ("smtp+starttls://mail.acme.test:2587/", "mail.acme.test", 2587, Security.STARTTLS, None, None),
        ("smtp://localhost:1025", "localhost", 1025, Security.PLAIN, None, None),
        ("smtp://u:p@127.0.0.1", "127.0.0.1", 25, Security.PLAIN, "u", "p"),
        ("smtp://[::1]:1025", "::1", 1025, Security.PLAIN, None, None),
        ("smtp://relay.lan?plaintext=yes", "relay.lan", 25, Security.PLAIN, None, None),
        ("smtps://me%40acme.test:p%2F%3F%23%C3%A9%20x@h.test", "h.test", 465, Security.TLS, "me@acme.test", "p/?#é x"),
    ],
)
def test_a_good_url_is_read(
    url: str, host: str, port: int, security: Security, user: str | None, password: str | None
) -> None:
    settings = SmtpSettings.parse(url)
    assert (settings.host, settings.port, settings.security) == (host, port, security)
    assert (settings.user, settings.password) == (user, password)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("smtp://u:hunter2@mail.acme.test", "unencrypted"),
        ("smtp://u:hunter2@mail.acme.test?plaintext=yes", "unencrypted"),
        ("smtp://mail.acme.test", "plaintext=yes"),
        ("smtp://localhost.acme.test", "plaintext=yes"),
        ("smtps://u:hunter2@h.test?plaintext=yes", "choose one"),
        ("smtp://localhost?ca_file=/x.pem", "no TLS"),
        ("http://u:hunter2@h.test", "smtp+starttls"),
        ("smtps://u:hun/ter2@h.test", "percent-encode"),
        ("smtps://u:hun#ter2@h.test", "percent-encode"),
        ("smtps://u:hun?ter2@h.test", "option"),
        ("smtps://u:hunter2@h.test:0", "port"),
        ("smtps://u:hunter2@h.test:99999", "port"),
        ("smtps://u:hunter2@h.test:hunter2", "port"),
        ("smtps://u:hunter2@", "host"),
        ("smtps://u:hunter2@ü.test", "ASCII"),
        ("smtps://u:hunter2@h..test\r\n", "control"),
        ("smtps://u:hunter2%0d%0a@h.test", "control"),
        ("smtps://u:hunter2%00@h.test", "control"),
        ("smtps://u:hunter2%ff@h.test", "UTF-8"),
        ("smtps://hunter2@h.test", "without a password"),
        ("smtps://:hunter2@h.test", "without a password"),
        ("smtps://u:hunter2@h.test?tls=no", "unknown"),
        ("smtps://u:hunter2@h.test?timeout_seconds=5&timeout_seconds=6", "repeated"),
        ("smtps://u:hunter2@h.test?timeout_seconds=0", "timeout_seconds"),
        ("smtps://u:hunter2@h.test?timeout_seconds=1e9", "timeout_seconds"),
        ("smtps://u:hunter2@h.test?ca_file=/nowhere.pem", "ca_file"),
        ("smtps://u:hunter2@h.test?ses_iam=no", "ses_iam"),
        ("smtps://u:hunter2@h.test?ses_iam=yes", "amazonaws"),
        ("smtps://AKIA:hunter2wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXA@x", "percent-encode"),
        ("smtps://AKIA:hunter2wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXA@email-smtp.eu-west-1.amazonaws.com", "ses_iam=yes"),
        ("smtps://[hunter2", "URL"),
        ("hunter2", "URL"),
        ("", "URL"),
    ],
)
def test_a_bad_url_is_refused_with_a_way_out_and_without_the_password(url: str, hint: str) -> None:
    with pytest.raises(SmtpUrlInvalid) as caught:
        SmtpSettings.parse(url)
    assert isinstance(caught.value, SettingsError)
    assert hint in str(caught.value)
    assert not any(part in str(caught.value) + repr(caught.value) for part in ("hunter2", "ter2", "AKIA"))


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SmtpUrlInvalid) as caught:
        SmtpSettings.parse("smtp://u:hunter2@h.test:0?tls=no&timeout_seconds=0")
    assert len(caught.value.problems) == 4


def test_a_ca_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(SmtpUrlInvalid):
        SmtpSettings.parse(f"smtps://h.test?ca_file={tmp_path}/ca.pem")


def test_the_password_of_an_iam_user_is_derived_when_asked() -> None:
    host = "email-smtp.eu-central-1.amazonaws.com"
    settings = SmtpSettings.parse(
        f"smtp+starttls://AKIAEXAMPLE:wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY@{host}?ses_iam=yes"
    )
    assert settings.password == "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG"
    assert settings.port == 587


def test_the_repr_shows_no_credentials() -> None:
    shown = repr(SmtpSettings.parse("smtps://someone:hunter2@h.test"))
    assert "someone" not in shown
    assert "hunter2" not in shown
