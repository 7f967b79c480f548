"""What the till's functions act with, made once when the application starts."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Till:
    """The open database, the Stripe account and what is sold."""

    run: Runtime
    stripe: StripeAccount
    catalogue: Catalogue

    @property
    def livemode(self) -> int:
        """1 where real money moves, else 0: the column of that name."""
        return int(self.stripe.livemode)


def till_of(request: Request) -> Till:
    """Return the running application's till."""
    return request.app.state.tollhouse_till
