"""Errors of the till."""

from __future__ import annotations

from tollhouse.errors import RequestError, TollhouseError


class PriceUnknown(RequestError):
    """There is no such price in the catalogue."""

    code = "price_unknown"
    status = 404


class PurchaseUnknown(RequestError):
    """There is no such purchase."""

    code = "purchase_unknown"
    status = 404


class AlreadySubscribed(RequestError):
    """You have this subscription already; change or end it on your billing page."""

    code = "already_subscribed"
    status = 409


class PurchaseExpired(RequestError):
    """This purchase has expired; begin a new one with another Idempotency-Key."""

    code = "purchase_expired"
    status = 409


class NotEntitled(RequestError):
    """Your plan does not include this."""

    code = "not_entitled"
    status = 403


class NoCustomer(RequestError):
    """You have bought nothing yet, so there is nothing to manage."""

    code = "customer_unknown"
    status = 404


class SignatureInvalid(RequestError):
    """This does not come from Stripe, or not from the endpoint whose secret is set."""

    code = "signature_invalid"
    status = 400


class StripeUnavailable(TollhouseError):
    """Stripe does not answer just now; nothing was charged."""

    code = "stripe_unavailable"
    status = 502

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 10, key_is_spent: bool = False) -> None:
        """Say when to come back; `key_is_spent` where Stripe will say the same to this idempotency key for a day."""
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.key_is_spent = key_is_spent


class StripeRefused(TollhouseError):
    """Stripe refused a request of ours."""

    code = "stripe_refused"
    status = 502

    def __init__(
        self,
        detail: str | None = None,
        *,
        stripe_code: str | None = None,
        param: str | None = None,
        stripe_type: str | None = None,
        http_status: int | None = None,
        stripe_message: str | None = None,
    ) -> None:
        """Carry Stripe's own words; none goes out or to a log, for the message may quote an address."""
        super().__init__(detail)
        self.stripe_code = stripe_code
        self.param = param
        self.stripe_type = stripe_type
        self.http_status = http_status
        self.stripe_message = stripe_message

    @property
    def is_missing(self) -> bool:
        """Whether an object that we named is not there."""
        return self.stripe_code == "resource_missing"

    @property
    def is_conflict(self) -> bool:
        """Whether the idempotency key was used for another request before."""
        return self.stripe_type == "idempotency_error"

    @property
    def is_unauthorised(self) -> bool:
        """Whether Stripe does not know the API key, or not any more."""
        return self.http_status == 401

    @property
    def is_forbidden(self) -> bool:
        """Whether the API key is a restricted one that may not do this."""
        return self.http_status == 403


class CatalogueNotReady(TollhouseError):
    """This price is not at Stripe yet: run `tollhouse catalogue push`."""

    code = "catalogue_not_ready"
    status = 503


class Unreadable(TollhouseError):
    """An object of Stripe's misses what we must know."""

    code = "stripe_object_unreadable"


class EventUnknown(RequestError):
    """There is no such event of Stripe's here."""

    code = "stripe_event_unknown"
    status = 404


class EventPruned(RequestError):
    """The body of this event is not kept any more, so it cannot be replayed: reconcile instead."""

    code = "stripe_event_pruned"
    status = 410


class ErasingNeedsStripe(StripeUnavailable):
    """Nothing was deleted: Stripe does not answer just now, so subscriptions could not be ended. Please try again."""
