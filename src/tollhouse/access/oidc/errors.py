"""What can go wrong between a client and us, by OAuth's own names; the detail is the `error_description`."""

from __future__ import annotations

from tollhouse.errors import RequestError


class ClientUnknown(RequestError):
    """The app that sent you here is not known here."""

    code = "client_unknown"


class RedirectUriInvalid(RequestError):
    """The app that sent you here wants you back at an address that is not registered for it."""

    code = "redirect_uri_invalid"


class OAuthError(RequestError):
    """The request is not as OAuth wants it."""

    code = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown, or its secret is wrong."""

    code = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    """The code or refresh token does not work (any more), or is not this client's."""

    code = "invalid_grant"


class InvalidScope(OAuthError):
    """A refresh may ask for less than was granted, not for more."""

    code = "invalid_scope"


class UnsupportedGrantType(OAuthError):
    """Use the grant type `authorization_code` or `refresh_token`."""

    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """Only the response type `code` is supported."""

    code = "unsupported_response_type"


class RequestNotSupported(OAuthError):
    """Request objects are not supported."""

    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """Request objects by reference are not supported."""

    code = "request_uri_not_supported"


class LoginRequired(OAuthError):
    """The person has to sign in, which `prompt=none` does not let us ask for."""

    code = "login_required"


class ConsentRequired(OAuthError):
    """The person has to agree, which `prompt=none` does not let us ask for."""

    code = "consent_required"


class AccessDenied(OAuthError):
    """The person did not agree."""

    code = "access_denied"
