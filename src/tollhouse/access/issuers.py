"""Whose tokens are accepted, and on what conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from tollhouse.access.keysets import ALGORITHMS
from tollhouse.access.presets import GENERAL, PRESETS
from tollhouse.outbound import OutboundRefused, Reach, Target
from tollhouse.settings import Settings
from tollhouse.settings_checks import is_loopback
from tollhouse.settings_structures import IssuerSettings

FOREIGN_LEEWAY_SECONDS: Final = 30  # for its clock is not ours
OWN_SCOPE_CLAIMS: Final = ("scope",)
NAMES_TAKEN: Final = frozenset({"tollhouse", "unknown"})  # what metrics call ourselves, and nobody known
ISSUER: Final = re.compile(r"[\x21-\x7e]+")
USER: Final = "it holds a user or a password. Take them out: whoever reads the settings reads them"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, and what one must say to be accepted; made by `parse`, or by `clerk(…)` and its like."""

    name: str  # in logs and metrics
    issuer: str  # exactly the `iss` claim
    jwks_url: str
    audiences: tuple[str, ...] = ()  # one must be in `aud`; without any, a token with an `aud` is for somebody else
    authorized_parties: tuple[str, ...] = ()  # one must be `azp`, where any is given
    algorithms: tuple[str, ...] = GENERAL.algorithms
    scope_claims: tuple[str, ...] = GENERAL.scope_claims
    session_claim: str = GENERAL.session_claim
    refused_values: tuple[tuple[str, str], ...] = ()  # claims that say that nobody is signed in yet
    leeway_seconds: int = FOREIGN_LEEWAY_SECONDS  # after `exp`
    private_network: bool = False  # its keys may be on a private address
    preset: str | None = None  # what its issuer must look like
    is_own: bool = False  # ourselves: tokens are `at+jwt`, and `sub` is the user's id as it is

    @classmethod
    def parse(cls, settings: IssuerSettings) -> Issuer:
        """Return the issuer of one `[[issuers]]`, filled up from its preset; `problems` says what is wrong with it."""
        preset = PRESETS[settings.preset] if settings.preset else GENERAL
        issuer = settings.issuer or preset.issuer or ""
        return cls(
            name=settings.name,
            issuer=issuer,
            jwks_url=settings.jwks_url or preset.jwks_url or _usual_place(issuer),
            audiences=settings.audiences or preset.audiences,
            authorized_parties=settings.authorized_parties,
            algorithms=settings.algorithms or preset.algorithms,
            scope_claims=preset.scope_claims,
            session_claim=preset.session_claim,
            refused_values=preset.refused_values,
            private_network=settings.private_network,
            preset=settings.preset,
        )

    @property
    def reach(self) -> Reach:
        """How far the fetch of its keys may go: its URL is the operator's own."""
        return Reach.PRIVATE if self.private_network else Reach.CONFIGURED

    @property
    def problems(self) -> list[str]:
        """What makes it unsafe or impossible to accept its tokens, each with its fix."""
        return [problem for check in CHECKS for problem in check(self)]


def tollhouse(url: str, *, audiences: Sequence[str] = (), name: str = "tollhouse") -> Issuer:
    """Return a Tollhouse elsewhere, by its `TOLLHOUSE_URL`; its access tokens count, and its ids stand as they are.

    `audiences` are those of its `TOLLHOUSE_ACCESS_TOKEN_AUDIENCES`, where that is set.
    """
    url = url.rstrip("/")  # as the setting itself takes it
    return Issuer(
        name,
        url,
        _usual_place(url),
        audiences=tuple(audiences) or (url,),
        algorithms=("ES256",),
        scope_claims=OWN_SCOPE_CLAIMS,
        is_own=True,
    )


def clerk(issuer: str, *, authorized_parties: Sequence[str], name: str = "clerk") -> Issuer:
    """Return a Clerk instance, like `https://clerk.example.com`; the parties are the origins of your front end."""
    return _preset("clerk", name, issuer=issuer, authorized_parties=authorized_parties)


def supabase(issuer: str, *, audiences: Sequence[str] = (), name: str = "supabase") -> Issuer:
    """Return a Supabase project, `https://<ref>.supabase.co/auth/v1`; it must sign with keys, not the old secret."""
    return _preset("supabase", name, issuer=issuer, audiences=audiences)


def auth0(issuer: str, *, audiences: Sequence[str], name: str = "auth0") -> Issuer:
    """Return an Auth0 tenant, `https://TENANT.eu.auth0.com/` with its slash; audiences are your API's identifiers."""
    return _preset("auth0", name, issuer=issuer, audiences=audiences)


def google(*, client_ids: Sequence[str], name: str = "google") -> Issuer:
    """Return Google, whose ID tokens are for your client ids."""
    return _preset("google", name, audiences=client_ids)


def _preset(preset: str, name: str, **given: Any) -> Issuer:
    return Issuer.parse(IssuerSettings.model_validate({"name": name, "preset": preset, **given}))


def issuer_problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with `[[issuers]]`, each with its fix; for `Settings.load`."""
    issuers = [Issuer.parse(each) for each in settings.issuers]
    for problem in problems_among(issuers):
        yield f"TOLLHOUSE_ISSUERS: {problem}"
    for issuer in issuers:
        if issuer.issuer.rstrip("/") == settings.url:
            yield (
                f"TOLLHOUSE_ISSUERS: `{issuer.name}` has TOLLHOUSE_URL as its issuer. Take it out: our own tokens are "
                "accepted anyway, and with the session they belong to."
            )


def problems_among(issuers: Iterable[Issuer]) -> Iterator[str]:
    """Say what is wrong with each issuer, and with all together."""
    has_own = False
    names: set[str] = set()
    addresses: set[str] = set()
    for issuer in issuers:
        yield from (f"`{issuer.name}`: {problem}" for problem in issuer.problems)
        if issuer.is_own and has_own:
            yield f"`{issuer.name}` is a second Tollhouse, and ids of its users could be the first one's. Keep one."
        has_own = has_own or issuer.is_own
        if issuer.name in names:
            yield f"two issuers are called `{issuer.name}`. Give each a name of its own."
        if issuer.issuer in addresses:
            yield f"`{issuer.name}`: the issuer {issuer.issuer} is there twice. Keep one, with the audiences of both."
        names.add(issuer.name)
        addresses.add(issuer.issuer)


def _name(issuer: Issuer) -> Iterator[str]:
    if issuer.name in NAMES_TAKEN and not issuer.is_own:
        yield "the name is one that metrics use themselves. Choose another."


def _address(issuer: Issuer) -> Iterator[str]:
    if not issuer.issuer:
        yield "its issuer is missing. Set it to exactly the `iss` of its tokens, like https://clerk.example.com"
        return
    parts = _split(issuer.issuer)
    if parts is None:
        yield "the issuer is no URL. Write exactly the `iss` of its tokens, like https://clerk.example.com"
    elif "@" in parts.netloc:  # the value is not quoted, for what stands before it may be a password
        yield f"the issuer is refused: {USER}."
    elif "#" in issuer.issuer or "?" in issuer.issuer:
        yield "the issuer holds `#` or `?`, which no issuer has (RFC 8414, 2). Write exactly the `iss` of its tokens."
    elif not _is_safe(parts):
        yield "the issuer is plain http off this machine. Use https: whoever is on the way could change its keys."


def _keys(issuer: Issuer) -> Iterator[str]:
    if not issuer.jwks_url:  # ourselves
        return
    if issuer.jwks_url == _usual_place(issuer.issuer):
        found = _split(issuer.issuer)
        if found is not None and _is_safe(found):  # else enough has been said of the issuer itself
            yield from _refusals(issuer)
        return
    parts = _split(issuer.jwks_url)
    if parts is None:
        yield "jwks_url is no URL. Write where the issuer publishes its keys, or leave it out."
    elif "@" in parts.netloc:
        yield f"jwks_url is refused: {USER}."
    elif "#" in issuer.jwks_url:
        yield "jwks_url holds `#`, which is never sent. Take it out."
    elif not _is_safe(parts):
        yield "jwks_url is plain http off this machine. Use https: whoever is on the way could change the keys."
    else:
        yield from _refusals(issuer)


def _refusals(issuer: Issuer) -> Iterator[str]:
    """Say what the client that fetches will say, so that it is said before anybody waits for a token."""
    try:
        Target.parse(issuer.jwks_url, issuer.reach)
    except OutboundRefused as error:
        yield f"jwks_url cannot be called: {error.detail} For a private address set private_network = true."


def _conditions(issuer: Issuer) -> Iterator[str]:
    given = (*issuer.audiences, *issuer.authorized_parties)
    if not given:
        yield (
            "neither audiences nor authorized_parties is set, so a token that it made for anybody would be accepted. "
            "Set audiences to the `aud` that means this API, or authorized_parties to your front end's origin."
        )
    if any(not each.strip() or "*" in each for each in given):
        yield "audiences and authorized_parties are compared exactly. Write each out in full, without `*`."


def _algorithms(issuer: Issuer) -> Iterator[str]:
    for algorithm in issuer.algorithms:
        if algorithm.upper().startswith("HS") or algorithm.lower() == "none":
            yield (
                f"the algorithm {algorithm!r} proves nothing here: whoever can check such a token can make one. "
                "Use RS256 or ES256."
            )
        elif algorithm not in ALGORITHMS:
            yield f"the algorithm {algorithm!r} is not known. Use one of {', '.join(sorted(ALGORITHMS))}."


def _pattern(issuer: Issuer) -> Iterator[str]:
    preset = PRESETS.get(issuer.preset or "")
    if preset is not None and issuer.issuer and not re.fullmatch(preset.pattern, issuer.issuer):
        yield f"the issuer is none of {issuer.preset}'s, to the last slash: they look like {preset.example}"


CHECKS: Final = (_name, _address, _pattern, _keys, _conditions, _algorithms)


def _usual_place(issuer: str) -> str:
    return issuer.rstrip("/") + "/.well-known/jwks.json"


def _split(url: str) -> SplitResult | None:
    if not ISSUER.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _is_safe(parts: SplitResult) -> bool:
    return parts.scheme == "https" or is_loopback(parts.hostname)
