"""Bodies and replies of the till's routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tollhouse.billing.applied import Receipt
from tollhouse.billing.catalogue import Price
from tollhouse.billing.purchases import Purchase
from tollhouse.billing.subscriptions import Subscription
from tollhouse.identity.models import iso
from tollhouse.settings_structures import ProductSettings

PURCHASE_ID: Final = "pur_019aa3d1f0c67b2e4d8c91f35a60e7d4"
SESSION_ID: Final = "cs_test_a1B2c3D4e5F6g7H8i9J0"
TIME: Final = "2026-01-01T12:00:00Z"
PURCHASE_STATUS: Final = "`creating`, `open`, `processing`, `paid`, `failed` or `expired`."


class CheckoutRequest(BaseModel):
    """What to buy. The buyer is whoever the token or the session says."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"price": "pro-monthly", "success_url": "http://localhost:3000/welcome"}]},
    )
    price: str = Field(description="The catalogue's id of a price.")
    quantity: int = Field(1, ge=1, description="At most the price's `quantity_max`.")
    success_url: str | None = Field(None, max_length=2000, description="Where to go on to: a path, or on APP_ORIGINS.")
    cancel_url: str | None = Field(None, max_length=2000, description="Where to go back to: a path, or on APP_ORIGINS.")


class CheckoutReply(BaseModel):
    """A purchase, and where it is paid."""

    purchase_id: str = Field(examples=[PURCHASE_ID])
    checkout_session_id: str = Field(examples=[SESSION_ID])
    url: str = Field(description="Lead the buyer there.", examples=[f"https://checkout.stripe.com/c/pay/{SESSION_ID}"])


class PortalRequest(BaseModel):
    """Where the portal leads back to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})
    return_url: str | None = Field(None, max_length=2000, description="A path, or on APP_ORIGINS.")


class PortalReply(BaseModel):
    """Where cards, invoices and subscriptions are managed."""

    url: str = Field(examples=["https://billing.stripe.com/p/session/test_YWNjdF8x"])


class PriceReply(BaseModel):
    """What a product costs."""

    id: str = Field(examples=["pro-monthly"])
    mode: Literal["payment", "subscription"] = Field(examples=["subscription"])
    unit_amount_minor: int = Field(description="In the currency's smallest unit.", examples=[900])
    currency: str = Field(examples=["eur"])
    interval: str | None = Field(description="`day`, `week`, `month` or `year` of a subscription.", examples=["month"])
    interval_count: int = Field(examples=[1])
    credits: int = Field(description="Granted for each unit, and period.", examples=[100])
    quantity_max: int = Field(examples=[1])
    trial_days: int = Field(examples=[0])


class ProductReply(BaseModel):
    """What is sold."""

    id: str = Field(examples=["pro"])
    name: str = Field(examples=["Pro"])
    description: str | None = Field(examples=["For teams."])
    features: list[str] = Field(examples=[["exports"]])
    prices: list[PriceReply]


class ProductsReply(BaseModel):
    """The catalogue."""

    products: list[ProductReply]


class PurchaseReply(BaseModel):
    """A purchase."""

    id: str = Field(examples=[PURCHASE_ID])
    product: str = Field(examples=["pro"])
    price: str = Field(examples=["pro-monthly"])
    mode: str = Field(examples=["subscription"])
    quantity: int = Field(examples=[1])
    credits: int = Field(examples=[100])
    status: str = Field(description=PURCHASE_STATUS, examples=["paid"])
    amount_minor: int | None = Field(description="What was paid.", examples=[900])
    currency: str | None = Field(examples=["eur"])
    checkout_session_id: str | None = Field(examples=[SESSION_ID])
    subscription_id: str | None = Field(examples=["sub_1Pa2Rb3Sc4Td5Ue6"])
    created_at: str = Field(examples=[TIME])
    expires_at: str = Field(description="Until then its page is open.", examples=[TIME])
    paid_at: str | None = Field(examples=[TIME])
    applied_at: str | None = Field(description="Since when your app is known to have applied it.", examples=[TIME])


class PurchasesReply(BaseModel):
    """The caller's purchases, the newest first."""

    purchases: list[PurchaseReply]
    next_cursor: str | None = Field(description="For `?cursor=`; None at the end.", examples=[None])


class SubscriptionBody(BaseModel):
    """A subscription."""

    id: str = Field(examples=["sub_1Pa2Rb3Sc4Td5Ue6"])
    product: str | None = Field(examples=["pro"])
    price: str | None = Field(examples=["pro-monthly"])
    quantity: int = Field(examples=[1])
    status: str = Field(description="One of Stripe's eight.", examples=["active"])
    current_period_start: str | None = Field(examples=[TIME])
    current_period_end: str | None = Field(examples=[TIME])
    cancel_at: str | None = Field(description="When it ends, if it was cancelled.", examples=[None])
    trial_end: str | None = Field(examples=[None])


class SubscriptionReply(BaseModel):
    """The subscription that the caller has, or None, and all of them where there are several."""

    subscription: SubscriptionBody | None
    subscriptions: list[SubscriptionBody]


class EntitlementsReply(BaseModel):
    """What the caller may use."""

    features: list[str] = Field(examples=[["exports"]])


class ReturnStatusReply(BaseModel):
    """What became of a payment."""

    status: Literal["paid", "processing", "checking", "open", "failed", "expired"] = Field(
        description="`checking`: Stripe does not answer just now. `open`: it was not paid yet.", examples=["paid"]
    )
    applied: bool | None = Field(
        description="Whether your app has applied it; null: it is not paid, or nobody will tell.",
        examples=[True],
    )


def product_json(product: ProductSettings) -> dict[str, Any]:
    """Return a product as `ProductReply` describes it."""
    return {
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "features": list(product.features),
        "prices": [price_json(Price(product, terms)) for terms in product.prices],
    }


def price_json(price: Price) -> dict[str, Any]:
    """Return a price as `PriceReply` describes it."""
    return {name: getattr(price.terms, name) for name in PriceReply.model_fields}


def purchase_json(purchase: Purchase, receipt: Receipt) -> dict[str, Any]:
    """Return a purchase as `PurchaseReply` describes it."""
    same = (
        *("id", "mode", "quantity", "credits", "status", "amount_minor", "currency"),
        *("checkout_session_id", "subscription_id"),
    )
    return {
        **{name: getattr(purchase, name) for name in same},
        "product": purchase.product_id,
        "price": purchase.price_id,
        "created_at": iso(purchase.created_at),
        "expires_at": iso(purchase.expires_at),
        "paid_at": iso_or_none(purchase.paid_at),
        "applied_at": iso_or_none(receipt.applied_at),
    }


def subscription_json(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription as `SubscriptionBody` describes it."""
    times = ("current_period_start", "current_period_end", "cancel_at", "trial_end")
    return {
        "id": subscription.id,
        "product": subscription.product_id,
        "price": subscription.price_id,
        "quantity": subscription.quantity,
        "status": subscription.status,
        **{name: iso_or_none(getattr(subscription, name)) for name in times},
    }


def iso_or_none(time_us: int | None) -> str | None:
    """Return a time as ISO 8601, or None."""
    return None if time_us is None else iso(time_us)
