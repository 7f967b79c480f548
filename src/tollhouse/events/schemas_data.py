"""What the `data` of each type of event holds, as models that a schema is made of; nothing here runs when one is sent.

Ids of ours have a pattern. Words and ids of Stripe's are plain strings, for Stripe may make new ones any day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from tollhouse.settings_structures import Slug

_KEY: Final = "[0-9a-f]{32}"  # as `create_id` makes it
_SECOND: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"

EventId = Annotated[str, Field(pattern=f"^out_{_KEY}$")]
UserId = Annotated[str, Field(pattern=f"^usr_{_KEY}$")]
SessionId = Annotated[str, Field(pattern=f"^ses_{_KEY}$")]
PurchaseId = Annotated[str, Field(pattern=f"^pur_{_KEY}$")]
EntryId = Annotated[str, Field(pattern=f"^ent_{_KEY}$")]
Time = Annotated[str, Field(pattern=f"^{_SECOND}Z$", json_schema_extra={"format": "date-time"})]
ExactTime = Annotated[str, Field(pattern=rf"^{_SECOND}\.[0-9]{{6}}Z$", json_schema_extra={"format": "date-time"})]


class Structure(BaseModel):
    """An object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Structure):
    """What every event tells."""

    user_id: UserId = Field(description="Whose event it is.")


class _Addressed(Data):
    email: str | SkipJsonSchema[None] = Field(
        None, description="The user's address: only for an endpoint that asks for it, and only if it is known."
    )


class UserCreated(_Addressed):
    """Somebody is a user for the first time."""


class UserSignedIn(_Addressed):
    """A link or a code became a session."""

    session_id: SessionId = Field(description="The session that began.")


class UserErased(Data):
    """A user is gone, and what you keep about them should be too."""


class _Checkout(Data):
    purchase_id: PurchaseId = Field(description="The purchase that the page was opened for.")
    checkout_session_id: str = Field(description="Stripe's id of the page, `cs_…`.")
    mode: Literal["payment", "subscription"] = Field(description="Whether it is paid once, or again and again.")
    product: Slug = Field(description="The catalogue's id of the product.")
    price: Slug = Field(description="The catalogue's id of the price.")
    quantity: int = Field(ge=1, description="How many were chosen.")
    subscription_id: str | None = Field(description="Stripe's id of the subscription that began, or null.")


class CheckoutCompleted(_Checkout):
    """A Checkout page was completed; the money may still be on its way."""


class CheckoutExpired(_Checkout):
    """A Checkout page closed without being completed."""


class _Payment(Data):
    payment_id: str = Field(description="What was paid: a purchase (`pur_…`), or an invoice of Stripe's (`in_…`).")
    # An invoice's is read from metadata at Stripe, which others can write to: so it has no pattern.
    purchase_id: str | None = Field(description="The purchase that it came from; null where Stripe names none.")
    subscription_id: str | None = Field(description="Stripe's id of the subscription; null for what is paid once.")


class PaymentSucceeded(_Payment):
    """Money arrived for a purchase, or for an invoice of a subscription."""

    product: Slug | None = Field(description="The catalogue's id of the product; null where it has none.")
    price: Slug | None = Field(description="The catalogue's id of the price; null where it has none.")
    amount_minor: int = Field(ge=0, description="What was paid, in the currency's smallest unit.")
    currency: str = Field(description="ISO 4217, in small letters; empty where Stripe names none.")
    credits: int = Field(ge=0, description="How many credits it brings.")


class PaymentFailed(Data):
    """A payment was declined, or did not come."""

    purchase_id: str | None = Field(description="The purchase that it was for; null where Stripe names none.")
    invoice_id: str | None = Field(description="Stripe's id of the invoice, or null: it was a purchase's own payment.")
    subscription_id: str | None = Field(description="Stripe's id of the subscription, or null.")
    reason: str | None = Field(description="Stripe's word for it, if there is one.")


class _Reversed(_Payment):
    status: str = Field(description="Stripe's word for how far it is.")
    amount_minor: int = Field(ge=0, description="Of this refund or dispute, in the currency's smallest unit.")
    currency: str = Field(description="ISO 4217, in small letters.")
    reversed_minor: int = Field(ge=0, description="What has gone back of the payment in all, in the same unit.")
    reversed_credits: int = Field(ge=0, description="How many of its credits were taken back in all.")
    is_fully_reversed: bool = Field(description="Whether nothing of the payment is left.")


class PaymentRefunded(_Reversed):
    """A refund moved: money went back, or came back because the refund failed."""

    refund_id: str = Field(description="Stripe's id of the refund.")


class PaymentDisputed(_Reversed):
    """A dispute moved: opened, its money withdrawn or given back, or decided."""

    dispute_id: str = Field(description="Stripe's id of the dispute.")


class _Subscription(Data):
    subscription_id: str = Field(description="Stripe's id of it.")
    product: Slug | None = Field(description="The catalogue's id of the product; null where it has none.")
    price: Slug | None = Field(description="The catalogue's id of the price; null where it has none.")
    quantity: int = Field(ge=0, description="How many are paid for in each period.")
    status: str = Field(description="Stripe's word for it.")
    current_period_start: Time = Field(description="When what is paid for now began.")
    current_period_end: Time = Field(description="When it ends or renews.")
    cancel_at: Time | None = Field(description="When it will end by itself, if it will.")
    trial_end: Time | None = Field(description="When its trial ends or ended, if it has one.")
    ended_at: Time | None = Field(description="When it ended, if it has.")


class SubscriptionUpdated(_Subscription):
    """A subscription began, or something about it changed."""


class SubscriptionEnded(_Subscription):
    """A subscription is over for good."""


class _Entry(Data):
    entry_id: EntryId = Field(description="The entry in the ledger.")
    credits: int = Field(ge=1, description="How many.")
    balance: int = Field(description="What they left or made; below zero only by a debt.")
    reference: str | None = Field(description="The words that were given with it; where credits are restored, of what.")


class CreditsGranted(_Entry):
    """Credits came."""

    source_id: str = Field(description="What they came for: a purchase, an invoice of Stripe's, a gift, or the user.")


class CreditsSpent(_Entry):
    """Credits were spent, at once or by capturing a hold."""


class CreditsLow(Data):
    """A spend left fewer credits than were wished for."""

    balance: int = Field(description="What is left; below zero only by a debt.")
    below: int = Field(ge=1, description="`TOLLHOUSE_CREDITS_LOW`, below which the balance fell.")


DATA: Final[Mapping[str, type[Data]]] = {
    "user.created": UserCreated,
    "user.signed_in": UserSignedIn,
    "user.erased": UserErased,
    "checkout.completed": CheckoutCompleted,
    "checkout.expired": CheckoutExpired,
    "payment.succeeded": PaymentSucceeded,
    "payment.failed": PaymentFailed,
    "payment.refunded": PaymentRefunded,
    "payment.disputed": PaymentDisputed,
    "subscription.updated": SubscriptionUpdated,
    "subscription.ended": SubscriptionEnded,
    "credits.granted": CreditsGranted,
    "credits.spent": CreditsSpent,
    "credits.low": CreditsLow,
}
