"""Which client calls, proved by its secret where it has one (RFC 6749, 2.3)."""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus

from starlette.requests import Request

from tollhouse.access.clients import Client, Clients
from tollhouse.access.oidc.errors import InvalidClient, OAuthError
from tollhouse.access.oidc.parameters import Parameters


class InvalidClientHeader(InvalidClient):
    """The client is unknown, or its secret is wrong."""

    @property
    def challenge(self) -> str:
        """How to do it right: in the way that was tried (RFC 6749, 5.2)."""
        return 'Basic realm="tollhouse", charset="UTF-8"'


async def authenticate(clients: Clients, request: Request, parameters: Parameters) -> Client:
    """Return the client that calls; raise `InvalidClient`, or `OAuthError` where it says who it is in two ways."""
    header = request.headers.get("authorization")
    if header is None:
        client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
        refusal = InvalidClient
    else:
        client_id, secret = parse_basic(header)
        secret = secret or None  # an empty one is as good as none (RFC 6749, 2.3.1)
        refusal = InvalidClientHeader
        if parameters.get("client_secret") is not None:
            raise OAuthError("The client authenticates in two ways: use one.")
        if parameters.get("client_id") not in (None, client_id):
            raise refusal
    client = None if client_id is None else await clients.find(client_id)
    if client is None or not _is_proved(client, secret):
        raise refusal
    return client


def _is_proved(client: Client, secret: str | None) -> bool:
    """Whether the secret is the client's; a public one has none, and one that sends some is another than it says."""
    return secret is None if client.is_public else secret is not None and client.knows(secret)


def parse_basic(header: str) -> tuple[str, str]:
    """Return id and secret, each form-encoded inside of Basic (RFC 6749, 2.3.1); raise `InvalidClient`."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientHeader
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        found = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        raise InvalidClientHeader from None
    if not colon:
        raise InvalidClientHeader
    return found
