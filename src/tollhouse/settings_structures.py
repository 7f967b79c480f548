"""The settings that are tables: `[[issuers]]`, `[[clients]]`, `[[products]]` and `[[endpoints]]` of tollhouse.toml."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

CREDITS_MAX: Final = 1_000_000_000_000  # granted at once
Names = tuple[str, ...]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


def as_tuple(value: Any) -> Any:
    """Return a tuple of the one, where one is written in place of a list of one."""
    return (value,) if isinstance(value, str) else value


class Structure(BaseModel):
    """A table of tollhouse.toml; a key that is none of ours is a slip of the pen, and refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class IssuerSettings(Structure):
    """One `[[issuers]]`: whose tokens are accepted beside our own."""

    name: Slug = Field(description="What logs and metrics call it.")
    preset: Literal["clerk", "supabase", "auth0", "google"] | None = Field(
        None, description="Fills in what these issuers have in common: `clerk`, `supabase`, `auth0` or `google`."
    )
    issuer: str | None = Field(None, description="Exactly the `iss` of its tokens, to the last slash.")
    jwks_url: str | None = Field(
        None, description="Where its keys are; the preset knows, or `{issuer}/.well-known/jwks.json`."
    )
    audiences: Names = Field((), description="The `aud` values that mean this API; one must match.")
    authorized_parties: Names = Field(
        (), description="The `azp` values that may call, such as your front end's origin."
    )
    algorithms: Names = Field((), description="The algorithms it signs with; the preset knows, else RS256 and ES256.")
    private_network: bool = Field(default=False, description="Its keys may be on a private address.")


class ClientSettings(Structure):
    """One `[[clients]]`: an app that signs people in through us by OpenID Connect."""

    id: Slug = Field(description="The `client_id`.")
    name: str = Field(min_length=1, max_length=60, description="What a person is told it is called.")
    secret: str | None = Field(
        None, min_length=32, description="The `client_secret`; without one the client is public."
    )
    redirect_uris: Names = Field(min_length=1, description="Where a sign-in may return to, exactly.")
    sign_out_uris: Names = Field((), description="Where signing out may return to, exactly.")
    scopes: Names = Field((), description="Scopes of your own API that it may ask for.")
    first_party: bool = Field(default=True, description="Yours: no consent is asked.")
    refresh_grace_seconds: int = Field(
        0,
        ge=0,
        le=60,
        description="How long the last refresh token still answers, with the same new one. Not for public clients.",
    )


class PriceSettings(Structure):
    """One `[[products.prices]]`: what a product costs, under an id of our own."""

    id: Slug = Field(description="What the API, the pages and Stripe's `lookup_key` call it.")
    mode: Literal["payment", "subscription"] = Field(
        "payment", description="`payment` is paid once, `subscription` again and again."
    )
    unit_amount_minor: int = Field(ge=0, le=99_999_999, description="In the currency's smallest unit: 900 is 9.00 EUR.")
    currency: str = Field(pattern=r"^[a-z]{3}$", description="ISO 4217, in small letters.")
    interval: Literal["day", "week", "month", "year"] | None = Field(None, description="Of a subscription.")
    interval_count: int = Field(1, ge=1, le=36, description="How many of them make a period.")
    credits: int = Field(0, ge=0, le=1_000_000_000, description="Granted for each paid unit, or unit and period.")
    credits_lifetime_days: int | None = Field(
        None, ge=1, le=3_650, description="Credits that are bought once expire after so long; none unless set."
    )
    quantity_max: int = Field(1, ge=1, le=999_999, description="How many may be bought at once.")
    trial_days: int = Field(0, ge=0, le=730, description="A subscription costs nothing for so long at first.")
    trial_credits: int = Field(0, ge=0, le=1_000_000_000, description="Granted for the trial, for each unit.")
    stripe_price_test: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,255}$", description="Stripe's price in test mode; `catalogue push` finds it."
    )
    stripe_price_live: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,255}$", description="Stripe's price in live mode; `catalogue push` finds it."
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if (self.mode == "subscription") != (self.interval is not None):
            raise ValueError(f"price {self.id}: a subscription has an interval, and nothing else has")
        if self.mode == "payment" and self.trial_days:
            raise ValueError(f"price {self.id}: only a subscription has trial_days")
        if self.mode == "subscription" and self.credits_lifetime_days:
            raise ValueError(f"price {self.id}: credits of a subscription live for its period, or roll over")
        if max(self.credits, self.trial_credits) * self.quantity_max > CREDITS_MAX:
            raise ValueError(f"price {self.id}: credits times quantity_max is more than a ledger grants at once")
        return self


class ProductSettings(Structure):
    """One `[[products]]`: what is sold, and what it brings."""

    id: Slug = Field(description="What the API and the pages call it.")
    name: str = Field(min_length=1, max_length=100, description="What people read.")
    description: str | None = Field(None, max_length=500, description="A sentence on the pricing page.")
    features: tuple[Slug, ...] = Field((), description="What it entitles to, for `toll.entitled(…)`.")
    rollover: bool = Field(default=False, description="Credits left over at a renewal stay, in place of expiring.")
    grace_days: int = Field(7, ge=0, le=60, description="How long a subscription whose renewal failed still entitles.")
    prices: tuple[PriceSettings, ...] = Field(min_length=1, description="What it costs, in one or more ways.")


class EndpointSettings(Structure):
    """One `[[endpoints]]`: where your app is told what happens."""

    name: Slug = Field(description="What commands, logs and metrics call it.")
    url: str = Field(description="Where events are posted: https, or http on this machine.")
    secret: Annotated[Names, BeforeValidator(as_tuple)] = Field(
        min_length=1,
        max_length=4,
        description="`whsec_…`, which signs; of a list all sign, the first is the newest.",
    )
    event_types: Names = Field((), description="The types it gets; all unless set.")
    with_address: bool = Field(
        default=False, description="`user.created` and `user.signed_in` bring the address, as `email`."
    )
    private_network: bool = Field(default=False, description="It may be at a private address.")
    enabled: bool = Field(default=True, description="`false` sends it nothing.")
