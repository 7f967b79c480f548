"""What a client asks for at the authorization endpoint, read in the order that decides who hears of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from tollhouse.access.clients import STANDARD_SCOPES, Client, Clients
from tollhouse.access.grants import Wanted
from tollhouse.access.oidc.errors import (
    ClientUnknown,
    OAuthError,
    RedirectUriInvalid,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
)
from tollhouse.access.oidc.parameters import Parameters
from tollhouse.identity.redirects import AUTHORIZE_PATH

STATE_LENGTH_MAX: Final = 1_000
NONCE_LENGTH_MAX: Final = 255
SCOPE_LENGTH_MAX: Final = 1_000
HINT_LENGTH_MAX: Final = 254
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
DIGITS: Final = re.compile(r"[0-9]{1,17}")
PROMPTS: Final = ("none", "login", "select_account", "consent")
SIGN_IN_AGAIN: Final = frozenset({"login", "select_account"})
VISIBLE: Final = re.compile(r"[ -~]*")  # RFC 6749, appendix A.5: what a state may hold
# What is asked again after signing in; the rest is either settled by it or never meant anything to us.
KEPT: Final = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "response_mode"),
    *("code_challenge", "code_challenge_method", "login_hint"),
)
SIGNED_IN_AFTER: Final = "signed_in_after"
EXPECTED_USER: Final = "expected_user"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that is as it should be."""

    wanted: Wanted
    parameters: Parameters
    prompts: frozenset[str]
    max_age_us: int | None
    login_hint: str | None
    id_token_hint: str | None
    signed_in_after: int | None  # ours, on the way back from a sign-in that this request asked for
    expected_user: str | None  # ours likewise, and heeded beside it alone: whom the `id_token_hint` named

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown."""
        return "none" in self.prompts

    def url_after_sign_in(self, url: str, *, now_us: int, expected_user: str | None) -> str:
        """Return where to go on after a sign-in that is still to come; a session from before it will not do."""
        kept = {name: value for name in KEPT if (value := self.parameters.get(name)) is not None}
        if "consent" in self.prompts:
            kept["prompt"] = "consent"
        if expected_user is not None:
            kept[EXPECTED_USER] = expected_user
        return f"{url}{AUTHORIZE_PATH}?{urlencode(kept | {SIGNED_IN_AFTER: str(now_us)})}"


async def find_target(clients: Clients, parameters: Parameters) -> tuple[Client, str]:
    """Return the client and where it wants the reply; until both are known nobody is sent anywhere.

    Raises `ClientUnknown` and `RedirectUriInvalid`, which are shown here.
    """
    client_id = parameters.once("client_id")
    client = None if client_id is None else await clients.find(client_id)
    if client is None:
        raise ClientUnknown
    redirect_uri = parameters.once("redirect_uri")
    if redirect_uri is None or not client.may_return_to(redirect_uri):
        raise RedirectUriInvalid
    return client, redirect_uri


def state_of(parameters: Parameters) -> str | None:
    """Return the state to echo, which also an error carries.

    Raises `OAuthError`, to be shown here, for one that cannot be: without it the client could not tell which of its
    requests the reply is to, and would take it for a forgery.
    """
    state = parameters.get("state")
    if state != parameters.once("state"):
        raise OAuthError("`state` is given twice.")
    if state is not None and (len(state) > STATE_LENGTH_MAX or not VISIBLE.fullmatch(state)):
        raise OAuthError(f"`state` is longer than {STATE_LENGTH_MAX} characters, or not visible ASCII.")
    return state


def parse(parameters: Parameters, client: Client, redirect_uri: str, *, now_us: int) -> AuthorizationRequest:
    """Return the request; raise `OAuthError` with its own code for what is not supported."""
    parameters.refuse_repeated()
    _check_kind(parameters)
    nonce = parameters.get("nonce")
    if nonce is not None and (len(nonce) > NONCE_LENGTH_MAX or not VISIBLE.fullmatch(nonce)):
        raise OAuthError(f"`nonce` is longer than {NONCE_LENGTH_MAX} characters, or not visible ASCII.")
    signed_in_after = _number(parameters, SIGNED_IN_AFTER)
    if signed_in_after is not None and signed_in_after > now_us:
        raise OAuthError(f"`{SIGNED_IN_AFTER}` is in the future.")  # no sign-in would ever do
    max_age = _number(parameters, "max_age")
    hint = parameters.get("login_hint")
    return AuthorizationRequest(
        wanted=Wanted(client, redirect_uri, _scopes(parameters, client), nonce, _challenge(parameters)),
        parameters=parameters,
        prompts=_prompts(parameters),
        max_age_us=None if max_age is None else max_age * 1_000_000,
        login_hint=hint if hint is not None and len(hint) <= HINT_LENGTH_MAX else None,
        id_token_hint=parameters.get("id_token_hint"),
        signed_in_after=signed_in_after,
        expected_user=None if signed_in_after is None else parameters.get(EXPECTED_USER),
    )


def _check_kind(parameters: Parameters) -> None:
    if parameters.get("request") is not None:
        raise RequestNotSupported
    if parameters.get("request_uri") is not None:
        raise RequestUriNotSupported
    response_type = parameters.get("response_type")
    if response_type is None:
        raise OAuthError("`response_type` is missing.")
    if response_type != "code":
        raise UnsupportedResponseType
    if parameters.get("response_mode") not in (None, "query"):
        raise OAuthError("Only the response mode `query` is supported.")


def _challenge(parameters: Parameters) -> str:
    """Return the S256 challenge, which everybody must send: without it a stolen code would do (RFC 9700, 2.1.1)."""
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise OAuthError("`code_challenge` is missing: PKCE is required.")
    if parameters.get("code_challenge_method") != "S256":  # left out it means `plain`
        raise OAuthError("`code_challenge_method` must be S256.")
    if not CHALLENGE.fullmatch(challenge):
        raise OAuthError("`code_challenge` is not one of S256.")
    return challenge


def _scopes(parameters: Parameters, client: Client) -> tuple[str, ...]:
    """Return those scopes that this client may have, in their order; the rest is ignored (RFC 6749, 3.3)."""
    text = parameters.get("scope") or ""
    if len(text) > SCOPE_LENGTH_MAX:
        raise OAuthError(f"`scope` is longer than {SCOPE_LENGTH_MAX} characters.")
    known = {*STANDARD_SCOPES, *client.scopes}
    return tuple(dict.fromkeys(scope for scope in text.split(" ") if scope in known))


def _prompts(parameters: Parameters) -> frozenset[str]:
    prompts = frozenset((parameters.get("prompt") or "").split())
    if not prompts <= set(PROMPTS):
        raise OAuthError(f"`prompt` is none of {', '.join(PROMPTS)}.")
    if "none" in prompts and len(prompts) > 1:
        raise OAuthError("`prompt=none` stands alone.")
    return prompts


def _number(parameters: Parameters, name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not DIGITS.fullmatch(text):
        raise OAuthError(f"`{name}` is not a number.")
    return int(text)


def said_again(parameters: Parameters) -> Mapping[str, Any]:
    """Return the parameters as hidden fields of a form that sends the request once more."""
    return dict(parameters.values)
