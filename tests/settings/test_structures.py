"""Issuers, clients and claims: tables in tollhouse.toml, JSON in the environment, or JSON in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tollhouse.errors import SettingsError
from tollhouse.settings import Settings
from tollhouse.settings_structures import PriceSettings

ISSUER = {"name": "partner", "issuer": "https://login.partner.example", "audiences": ["https://api.example.com"]}
SECRET = "h7Kq2xVb9Lm4Rt6Zp1Ws8Yd3Nf5Gj0Ac"
CLIENT = {"id": "web", "name": "Web", "redirect_uris": ["https://app.example.com/cb"], "secret": SECRET}
TABLES = """
[access_token_claims]
role = "authenticated"

[[issuers]]
name = "partner"
issuer = "https://login.partner.example"
audiences = ["https://api.example.com"]

[[clients]]
id = "web"
name = "Web"
secret = "h7Kq2xVb9Lm4Rt6Zp1Ws8Yd3Nf5Gj0Ac"
redirect_uris = ["https://app.example.com/cb"]
"""
Load = Callable[..., Settings]


def assert_there(settings: Settings) -> None:
    assert [issuer.name for issuer in settings.issuers] == ["partner"]
    assert [(client.id, client.first_party) for client in settings.clients] == [("web", True)]
    assert settings.access_token_claims == {"role": "authenticated"}


def test_tables_in_tollhouse_toml_are_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tollhouse.toml").write_text(TABLES)
    assert_there(load())


def test_json_in_the_environment_is_read(load: Load) -> None:
    claims = '{"role": "authenticated"}'
    assert_there(load(ISSUERS=json.dumps([ISSUER]), CLIENTS=json.dumps([CLIENT]), ACCESS_TOKEN_CLAIMS=claims))


def test_json_in_a_file_is_read_as_any_setting_is(load: Load, tmp_path: Path) -> None:
    given = {"ISSUERS": [ISSUER], "CLIENTS": [CLIENT], "ACCESS_TOKEN_CLAIMS": {"role": "authenticated"}}
    files: dict[str, str | None] = {}
    for name, value in given.items():
        path = tmp_path / name
        path.write_text(json.dumps(value) + "\n")
        files[f"{name}_FILE"] = str(path)
    assert_there(load(**files))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ISSUERS": "{nonsense"}, "TOLLHOUSE_ISSUERS is not JSON"),
        ({"ACCESS_TOKEN_CLAIMS": "role=authenticated"}, "TOLLHOUSE_ACCESS_TOKEN_CLAIMS is not JSON"),
        ({"ISSUERS": json.dumps([ISSUER | {"audience": "x"}])}, "TOLLHOUSE_ISSUERS is not right at `0.audience`"),
        ({"CLIENTS": json.dumps([CLIENT | {"name": ""}])}, "TOLLHOUSE_CLIENTS is not right at `0.name`"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(load: Load, changed: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**changed)
    assert says in caught.value.detail
    assert SECRET not in caught.value.detail


def test_a_file_that_is_no_json_is_named(load: Load, tmp_path: Path) -> None:
    (tmp_path / "issuers").write_text("nonsense")
    with pytest.raises(SettingsError, match="TOLLHOUSE_ISSUERS_FILE names a file that is not JSON"):
        load(ISSUERS_FILE=str(tmp_path / "issuers"))


def test_a_price_that_would_bring_more_than_the_ledger_grants_at_once_is_refused():
    much = {"id": "much", "unit_amount_minor": 1, "currency": "eur", "credits": 1_000_000_000}
    assert PriceSettings(**much, quantity_max=1_000).credits
    with pytest.raises(ValueError, match="more than a ledger grants at once"):
        PriceSettings(**much, quantity_max=1_001)
