"""Errors in Stripe's shapes. Source: docs.stripe.com/api/errors and docs.stripe.com/error-codes."""

from __future__ import annotations

from typing import Any

from tollhouse.sandbox.values import Obj


class StripeError(Exception):
    """An error reply.

    What a request did before it failed is undone, unless `keeps_effects`: a declined card leaves its attempt behind.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps_effects: bool = False,
        **more: Any,
    ) -> None:
        """Name what goes into `error`; `more` are its rarer fields, such as `decline_code` and `payment_intent`."""
        super().__init__(message)
        self.status = status
        self.keeps_effects = keeps_effects
        fields: Obj = {"code": code, "message": message, "param": param, "type": type, **more}
        self.fields: Obj = {name: value for name, value in fields.items() if value is not None}
        if code is not None:
            self.fields["doc_url"] = "https://stripe.com/docs/error-codes/" + code.replace("_", "-")


def missing(noun: str, id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """Nothing of this kind has this id; 404 when the path names it, 400 when a parameter does."""
    return StripeError(f"No such {noun}: '{id}'", status=status, code="resource_missing", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """The request cannot be carried out as it is: 400."""
    return StripeError(message, code=code, param=param)


def parameter_missing(param: str) -> StripeError:
    """A parameter is needed here."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def parameter_unknown(*params: str) -> StripeError:
    """Parameters that the operation does not have."""
    noun = "parameter" if len(params) == 1 else "parameters"
    return invalid(f"Received unknown {noun}: {', '.join(params)}", params[0], "parameter_unknown")
