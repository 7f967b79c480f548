"""Settings: every problem at once with its fix, and no secret in what is said about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.gate import SECRET
from tests.settings.cases import STRIPE, Load, problems
from tests.support.processes import Process
from tollhouse.settings import PREFIX, Settings
from tollhouse.settings_checks import filesystem_of, is_loopback


def test_good_settings_load(load: Load) -> None:
    settings = load()
    assert settings.is_https
    assert settings.has_gate
    assert not settings.has_till
    assert settings.secret == (SECRET,)


PRODUCTS = json.dumps(
    [
        {
            "id": product,
            "name": "Plan",
            "prices": [{"id": price, "unit_amount_minor": 900, "currency": "eur", "stripe_price_test": pinned}],
        }
        for product, price, pinned in (("plan-a", "price-a", "price_1"), ("plan-b", "price-b", "price_2"))
    ]
)
NO_AND_FIX: list[tuple[Mapping[str, str | None], str]] = [
    ({"URL": None}, "TOLLHOUSE_URL is missing: set the public address of Tollhouse"),
    ({"URL": "http://auth.example.com"}, "TOLLHOUSE_URL: .* plain http off this machine.* Use https"),
    ({"URL": "https://auth.example.com/base"}, "TOLLHOUSE_URL: .* no exact origin"),
    ({"URL": "https://AUTH.example.com"}, "TOLLHOUSE_URL: .* no exact origin"),
    ({"URL": "https://bücher.example"}, "TOLLHOUSE_URL: .* plain ASCII"),
    ({"URL": "ftp://auth.example.com"}, "TOLLHOUSE_URL: .* no exact origin"),
    ({"URL": "https://[::1"}, "TOLLHOUSE_URL: .* no URL"),
    ({"URL": "https://user:urlPassw0rd@auth.example.com"}, "TOLLHOUSE_URL holds a user or a password"),
    ({"APP_ORIGINS": "https://app.example.com,http://app.example.com"}, "TOLLHOUSE_APP_ORIGINS: 'http:.* Use https"),
    ({"APP_ORIGINS": "*"}, "TOLLHOUSE_APP_ORIGINS: .* no exact origin"),
    ({"SECRET": None}, "TOLLHOUSE_SECRET is missing: make one with"),
    ({"SECRET": "short"}, r"TOLLHOUSE_SECRET \(entry 1\) is shorter than 32 bytes: make one with"),
    ({"SECRET": f"{SECRET},aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, r"TOLLHOUSE_SECRET \(entry 2\) looks guessable"),
    ({"SECRET": "please-change-me-0123456789-abcdefgh"}, r"TOLLHOUSE_SECRET \(entry 1\) looks guessable"),
    ({"DATABASE_URL": None}, "TOLLHOUSE_DATABASE_URL is missing"),
    ({"DATABASE_URL": "mysql://localhost/x"}, "TOLLHOUSE_DATABASE_URL must start with sqlite:/// or postgresql://"),
    ({"DATABASE_URL": "sqlite://x.db"}, "TOLLHOUSE_DATABASE_URL: write sqlite:///relative"),
    ({"DATABASE_URL": "sqlite:////nowhere/at/all/x.db"}, "TOLLHOUSE_DATABASE_URL: the folder .* does not exist"),
    ({"DATABASE_DIRECT_URL": "sqlite:///x.db"}, "TOLLHOUSE_DATABASE_DIRECT_URL must start with postgresql://"),
    ({"MIGRATION_DATABASE_URL": "x"}, "TOLLHOUSE_MIGRATION_DATABASE_URL must start with postgresql://"),
    ({"REDIS_URL": "http://localhost"}, "TOLLHOUSE_REDIS_URL must start with redis://"),
    ({"SMTP_URL": "http://mail.example.com"}, "TOLLHOUSE_SMTP_URL"),
    ({"MAIL_FROM": None}, "TOLLHOUSE_MAIL_FROM is missing: set the From of your mails"),
    ({"MAIL_FROM": "a@example.com,b@example.com"}, "TOLLHOUSE_MAIL_FROM: "),
    ({"SMTP_URL": None, **STRIPE}, "TOLLHOUSE_MAIL_FROM is set but TOLLHOUSE_SMTP_URL is not"),
    ({"SMTP_URL": None, "MAIL_FROM": None}, "Neither gate nor till is configured: set TOLLHOUSE_SMTP_URL"),
    ({"STRIPE_API_KEY": "sk_test_x"}, "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS is missing"),
    ({"STRIPE_WEBHOOK_SECRETS": "whsec_x"}, "TOLLHOUSE_STRIPE_API_KEY is missing"),
    (STRIPE | {"STRIPE_API_KEY": "pk_test_x"}, "TOLLHOUSE_STRIPE_API_KEY is none: copy the secret or restricted key"),
    (
        STRIPE | {"STRIPE_WEBHOOK_SECRETS": "whsec_x,x"},
        "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS: a signing secret begins with",
    ),
    (STRIPE | {"STRIPE_API_BASE": "http://stripe.example.com"}, "TOLLHOUSE_STRIPE_API_BASE: .* is plain http off this"),
    (
        STRIPE | {"STRIPE_API_KEY": "sk_live_x", "STRIPE_API_BASE": "http://127.0.0.1:8001"},
        "TOLLHOUSE_STRIPE_API_BASE leads elsewhere than to Stripe, and a live key must not",
    ),
    ({"PRODUCTS": PRODUCTS}, r"TOLLHOUSE_PRODUCTS: there are \[\[products\]\] but no TOLLHOUSE_STRIPE_API_KEY"),
    (
        STRIPE | {"PRODUCTS": PRODUCTS.replace("plan-b", "plan-a")},
        "TOLLHOUSE_PRODUCTS: the product id plan-a is there twice",
    ),
    (
        STRIPE | {"PRODUCTS": PRODUCTS.replace("price-b", "price-a")},
        "TOLLHOUSE_PRODUCTS: the price id price-a is there twice",
    ),
    (
        STRIPE | {"PRODUCTS": PRODUCTS.replace("price_2", "price_1")},
        "TOLLHOUSE_PRODUCTS: the stripe_price_test price_1 is there twice",
    ),
    ({"TRUSTED_PROXIES": "two"}, "TOLLHOUSE_TRUSTED_PROXIES: 'two' is neither a number nor a network"),
    ({"TRUSTED_PROXIES": "²"}, "TOLLHOUSE_TRUSTED_PROXIES: '²' is neither"),
    ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TOLLHOUSE_TRUSTED_PROXIES: '10.0.0.1/8' is neither"),
    ({"SESSION_IDLE_SECONDS": "20", "SESSION_LIFETIME_SECONDS": "10"}, "TOLLHOUSE_SESSION_IDLE_SECONDS is longer"),
    ({"MAGIC_LINK_LIFETIME_SECONDS": "0"}, "TOLLHOUSE_MAGIC_LINK_LIFETIME_SECONDS is not right"),
    ({"MAGIC_LINK_LIFETIME_SECONDS": "86400"}, "TOLLHOUSE_MAGIC_LINK_LIFETIME_SECONDS is not right"),
    ({"LIMIT_MAIL_GAP_SECONDS": "-1"}, "TOLLHOUSE_LIMIT_MAIL_GAP_SECONDS is not right"),
    ({"SIGN_UP": "perhaps"}, "TOLLHOUSE_SIGN_UP is not right"),
    ({"BRAND_COLOR": "red;}"}, "TOLLHOUSE_BRAND_COLOR is not right"),
    ({"LOG_FORMAT": "xml"}, "TOLLHOUSE_LOG_FORMAT is not right"),
    ({"SECRET": '["a'}, "TOLLHOUSE_SECRET is not right"),
]


@pytest.mark.parametrize(("changed", "said"), NO_AND_FIX, ids=lambda each: str(each)[:60])
def test_what_is_wrong_is_named_alone_with_its_fix(load: Load, changed: dict[str, str | None], said: str) -> None:
    found = problems(load, **changed)
    assert len(found) == 1, found
    assert re.match(said, found[0]), found


YES: list[Mapping[str, str | None]] = [
    {"URL": "http://localhost:8000"},
    {"URL": "http://127.0.0.1:8000"},
    {"URL": "http://[::1]:8000"},
    {"URL": "https://auth.example.com/"},
    {"URL": "https://xn--bcher-kva.example"},
    {"URL": "http://app.localhost:3000"},
    {"APP_ORIGINS": "https://app.example.com, https://www.example.com:8443"},
    {"APP_ORIGINS": ""},
    {"SECRET": f"{SECRET},{SECRET[::-1]}"},
    {"DATABASE_URL": "sqlite:///here.db"},
    {"DATABASE_URL": "postgres://localhost/x"},
    {"REDIS_URL": "redis://localhost"},
    {"REDIS_URL": "valkeys://user:password@localhost:6379/1"},
    {"SMTP_URL": None, "MAIL_FROM": None, **STRIPE},
    STRIPE,
    STRIPE | {"STRIPE_API_KEY": "rk_live_x"},
    STRIPE | {"STRIPE_API_BASE": "http://127.0.0.1:8001/"},
    STRIPE | {"PRODUCTS": PRODUCTS},
    {"TRUSTED_PROXIES": "0"},
    {"TRUSTED_PROXIES": "2"},
    {"TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8"},
    {"SIGN_UP": "closed"},
    {"MAIL_FROM": "no-reply@example.com"},
]


@pytest.mark.parametrize("changed", YES, ids=lambda each: str(each)[:60])
def test_what_is_right_is_taken(load: Load, changed: Mapping[str, str | None]) -> None:
    load(**changed)


def test_every_problem_is_named_at_once(load: Load) -> None:
    wrong = {name: value for changed, _ in NO_AND_FIX if len(changed) == 1 for name, value in changed.items()}
    wrong |= {"SECRET": "short", "URL": "http://auth.example.com", "SMTP_URL": "http://x", "MAIL_FROM": None}
    found = problems(load, **wrong)
    for name in wrong.keys() - {"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "PRODUCTS"}:  # good beside their others
        assert any(problem.startswith(PREFIX + name) for problem in found), f"{name} is missing in {found}"


def test_no_secret_is_quoted_in_what_is_wrong(load: Load) -> None:
    secrets = {
        "URL": "https://user:urlPassw0rd@auth.example.com",
        "APP_ORIGINS": "https://user:originPassw0rd@app.example.com",
        "SECRET": "shortSecretOneInAMillion",
        "DATABASE_URL": "mysql://user:dbPassw0rd@localhost/x",
        "DATABASE_DIRECT_URL": "mysql://user:directPassw0rd@localhost/x",
        "MIGRATION_DATABASE_URL": "mysql://user:migrationPassw0rd@localhost/x",
        "REDIS_URL": "http://:redisPassw0rd@localhost",
        "SMTP_URL": "smtp+odd://user:smtpPassw0rd@mail.example.com",
        "STRIPE_API_KEY": "sk_live_apiPassw0rd",
        "STRIPE_WEBHOOK_SECRETS": '["whsec_hookPassw0rd',
        "SENTRY_DSN": "https://sentryPassw0rd@sentry.example/1",
    }
    text = "\n".join(problems(load, **secrets))
    assert "Passw0rd" not in text
    assert "OneInAMillion" not in text


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "ext4"])
def test_the_file_system_of_a_path_is_that_of_its_longest_mount(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "data"
    folder.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    escaped = str(tmp_path.resolve() / "a b").replace(" ", "\\040")
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/x {escaped} {kind} rw 0 0\nproc /proc proc rw 0 0\n")
    assert filesystem_of(folder, mounts) == kind
    assert filesystem_of(tmp_path, mounts) == "overlay"
    assert filesystem_of(folder, tmp_path / "none") is None


def test_sqlite_on_a_network_file_system_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollhouse.settings_checks.filesystem_of", lambda _path: "nfs4")
    [problem] = problems(load, DATABASE_URL="sqlite:///here.db")
    assert re.search(r"network file system \(nfs4\).* Use a local disk, or PostgreSQL", problem)
    load(DATABASE_URL="postgresql://localhost/x")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("a.localhost", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        (None, False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: Any, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    document = Path(__file__).parents[2] / "docs" / "settings.md"
    assert re.search(rf"`(?:{PREFIX})?{name.upper()}`", document.read_text()), f"{name} is not in {document.name}"


@pytest.mark.slow
async def test_the_server_refuses_to_start_and_says_why_once(spawn_tollhouse: Callable[..., Process]) -> None:
    environment = {
        "TOLLHOUSE_URL": "http://auth.example.com",
        "TOLLHOUSE_SECRET": "shortOneInAMillion",
        "TOLLHOUSE_SMPT_URL": "x",
    }
    server = spawn_tollhouse("serve", "--port", "{port}", env=environment)
    assert await server.ended() == 1
    said = server.text()
    for name in (
        "TOLLHOUSE_URL:",
        "TOLLHOUSE_SECRET (entry 1)",
        "TOLLHOUSE_DATABASE_URL is missing",
        "Neither gate nor till",
    ):
        assert name in said, said
    assert "Traceback" not in said
    assert "OneInAMillion" not in said
