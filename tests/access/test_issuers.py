"""An issuer is trusted as it is configured, or Tollhouse does not start."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.forging import RS, keys_of
from tollhouse.access.issuers import Issuer, auth0, clerk, google, supabase, tollhouse
from tollhouse.access.presets import PRESETS
from tollhouse.access.verifier import Trusted, Verifier
from tollhouse.errors import SettingsError
from tollhouse.settings_structures import IssuerSettings
from tollhouse.testing import make_settings

GOOD: dict[str, Any] = {
    "name": "acme",
    "issuer": "https://issuer.example.com",
    "audiences": ("https://api.example.com",),
}


def problems(*issuers: dict[str, Any]) -> list[str]:
    try:
        make_settings(issuers=tuple(IssuerSettings(**each) for each in issuers))
    except SettingsError as error:
        return error.problems
    return []


def problem(**changes: Any) -> str:
    """The one problem of an issuer that differs from a good one in this."""
    (found,) = problems(GOOD | changes)
    assert found.startswith("TOLLHOUSE_ISSUERS: ")
    return found


def test_a_good_issuer_has_no_problem() -> None:
    assert problems(GOOD) == []
    assert problems(GOOD, GOOD | {"name": "other", "issuer": "https://other.example.com/"}) == []
    issuer = Issuer.parse(IssuerSettings(**GOOD))
    assert issuer.jwks_url == "https://issuer.example.com/.well-known/jwks.json"
    assert issuer.algorithms == ("RS256", "ES256")
    assert issuer.leeway_seconds == 30


@pytest.mark.parametrize(
    "issuer", ["http://localhost:9000", "http://127.0.0.1:54321/auth/v1", "http://[::1]:1", "https://a.example/x/y/"]
)
def test_loopback_may_be_plain_http(issuer: str) -> None:
    assert problems(GOOD | {"issuer": issuer}) == []


def test_every_address_is_https_and_holds_no_secret() -> None:
    assert "plain http" in problem(issuer="http://issuer.example.com", jwks_url="https://issuer.example.com/jwks")
    assert "plain http" in problem(jwks_url="http://issuer.example.com/jwks")
    assert "plain http" in problem(jwks_url="http://localhost.mallory.example/jwks")
    for name in ("issuer", "jwks_url"):
        told = problem(
            **{"jwks_url": "https://issuer.example.com/jwks", name: "https://alice:hunter2@issuer.example.com"}
        )
        assert "password" in told
        assert "hunter2" not in told


@pytest.mark.parametrize(
    "issuer", ["https://a.example#x", "https://a.example/#", "https://a.example?", "https://a.example/?tenant=1"]
)
def test_an_issuer_has_neither_fragment_nor_query(issuer: str) -> None:
    assert "holds `#` or `?`" in problem(issuer=issuer, jwks_url="https://a.example/jwks")


@pytest.mark.parametrize(
    "url",
    [
        "issuer.example.com",
        "ftp://a.example",
        "https://",
        "https://a b.example",
        "https://é.example",
        "https://a.example:99999",
        "https://a.example\n",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
def test_an_address_is_a_plain_url(url: str) -> None:
    assert "no URL" in problem(issuer=url, jwks_url="https://a.example/jwks")
    assert "jwks_url is no URL" in problem(jwks_url=url)


def test_the_address_of_keys_may_have_a_query_but_no_fragment() -> None:
    assert problems(GOOD | {"jwks_url": "https://a.example/jwks?tenant=1"}) == []
    assert "`#`" in problem(jwks_url="https://a.example/jwks#x")


def test_a_missing_issuer_is_named() -> None:
    assert "its issuer is missing" in problem(issuer=None)


def test_without_audience_and_party_nothing_starts() -> None:
    assert "neither audiences nor authorized_parties" in problem(audiences=())
    assert problems(GOOD | {"audiences": (), "authorized_parties": ("https://app.example.com",)}) == []
    for value in ("*", "https://*.example.com", "", " "):
        assert "compared exactly" in problem(audiences=("https://api.example.com", value))
        assert "compared exactly" in problem(authorized_parties=(value,))


def test_an_algorithm_that_proves_nothing_is_refused() -> None:
    for algorithm in ("HS256", "hs512", "none", "None"):
        assert "proves nothing" in problem(algorithms=("RS256", algorithm))
    for algorithm in ("RS257", "rs256", "ES256K", ""):
        assert "is not known" in problem(algorithms=(algorithm,))


def test_ourselves_are_no_other_issuer() -> None:
    own = make_settings().url
    assert "has TOLLHOUSE_URL as its issuer" in problem(issuer=own)
    assert "has TOLLHOUSE_URL as its issuer" in problem(issuer=own + "/")
    assert "metrics use" in problem(name="tollhouse")
    assert "metrics use" in problem(name="unknown")


def test_no_issuer_and_no_name_is_there_twice() -> None:
    assert any("there twice" in each for each in problems(GOOD, GOOD | {"name": "other"}))
    assert any("two issuers are called" in each for each in problems(GOOD, GOOD | {"issuer": "https://b.example"}))


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(GOOD | {"issuer": "nonsense", "audiences": (), "algorithms": ("none", "HS256")})) == 4


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_own_example_is_right(name: Any) -> None:
    given = {"name": name, "preset": name, "issuer": PRESETS[name].example, "audiences": ("x",)}
    assert problems(given) == []
    issuer = Issuer.parse(IssuerSettings(**given))
    assert issuer.jwks_url.startswith("https://")
    assert "//" not in issuer.jwks_url.removeprefix("https://"), "a slash at the end of the issuer is not doubled"


WRONG = [
    ("clerk", "https://clerk.example.com/"),
    ("supabase", "https://abcdefghijklmnopqrst.supabase.co"),
    ("supabase", "https://abcdefghijklmnopqrst.supabase.co/auth/v1/"),
    ("auth0", "https://acme.eu.auth0.com"),
    ("google", "https://accounts.google.com/"),
    ("google", "https://accountsXgoogle.com"),
]


@pytest.mark.parametrize(("preset", "issuer"), WRONG)
def test_an_issuer_that_its_preset_never_is_is_named_with_what_it_looks_like(preset: str, issuer: str) -> None:
    assert f"they look like {PRESETS[preset].example}" in problem(preset=preset, issuer=issuer)


def test_the_settings_come_before_the_preset() -> None:
    given: dict[str, Any] = GOOD | {"preset": "supabase", "issuer": PRESETS["supabase"].example}
    more: dict[str, Any] = {"algorithms": ("ES384",), "jwks_url": "https://keys.example/jwks", "private_network": True}
    issuer = Issuer.parse(IssuerSettings(**(given | more)))
    assert (issuer.algorithms, issuer.jwks_url) == (("ES384",), "https://keys.example/jwks")
    assert issuer.audiences == ("https://api.example.com",)
    assert issuer.private_network


def test_in_python_they_are_made_by_name() -> None:
    made = [
        clerk("https://clerk.example.com", authorized_parties=["https://app.example.com"]),
        supabase("https://abcdefghijklmnopqrst.supabase.co/auth/v1"),
        auth0("https://acme.eu.auth0.com/", audiences=["https://api.example.com"]),
        google(client_ids=["1234.apps.googleusercontent.com"]),
    ]
    assert [issuer.problems for issuer in made] == [[], [], [], []]
    assert [issuer.jwks_url for issuer in made] == [
        "https://clerk.example.com/.well-known/jwks.json",
        "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
        "https://acme.eu.auth0.com/.well-known/jwks.json",
        "https://www.googleapis.com/oauth2/v3/certs",
    ]
    Verifier(made)
    with pytest.raises(ValueError, match="authorized_parties"):
        clerk("https://clerk.example.com", authorized_parties="https://app.example.com")


def test_a_verifier_refuses_what_the_settings_would() -> None:
    unsafe = Issuer("acme", "http://issuer.example.com", "http://issuer.example.com/jwks", algorithms=("HS256",))
    for make in (lambda: Verifier([unsafe]), lambda: Verifier.of([Trusted(unsafe, keys_of(RS))])):
        with pytest.raises(SettingsError) as caught:
            make()
        assert len(caught.value.problems) == 4
    twice = clerk("https://clerk.example.com", authorized_parties=["https://app.example.com"])
    with pytest.raises(SettingsError, match="there twice"):
        Verifier([twice], trusted=[Trusted(twice, keys_of(RS))])


@pytest.mark.parametrize("host", ["app.localhost", "127.0.0.2", "10.0.0.1", "169.254.169.254"])
def test_what_the_fetch_would_refuse_is_refused_at_the_start(host: str) -> None:
    scheme = "http" if "localhost" in host or host.startswith("127") else "https"
    assert "cannot be called" in problem(issuer=f"{scheme}://{host}", jwks_url=None)
    assert "cannot be called" in problem(jwks_url=f"{scheme}://{host}/jwks")


def test_a_private_address_may_be_called_where_the_operator_says_so() -> None:
    assert problems(GOOD | {"jwks_url": "https://10.0.0.1/jwks", "private_network": True}) == []


def test_a_tollhouse_elsewhere_is_named_by_its_url_with_or_without_a_slash() -> None:
    made = [tollhouse(url) for url in ("https://auth.example.com", "https://auth.example.com/")]
    assert made[0] == made[1]
    assert (made[0].issuer, made[0].problems) == ("https://auth.example.com", [])


def test_ids_of_two_tollhouses_do_not_meet() -> None:
    two = [tollhouse("https://auth.example.com"), tollhouse("https://other.example.com", name="other")]
    with pytest.raises(SettingsError, match="second Tollhouse"):
        Verifier(issuers=two)
