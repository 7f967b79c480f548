"""Checkout's own requests, as far as the Stripe CLI makes them: it pays a session without a browser.

They are not part of the public API; what is known of them is what the CLI's triggers send.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.parameters import TEXT
from tollhouse.sandbox.errors import StripeError, parameter_missing
from tollhouse.sandbox.resources.checkout import checkout_completion
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/payment_pages/{id}"


@undescribed("GET", PATH)
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return the session whose page this is."""
    return world.get(checkout_completion.KIND, id)


@undescribed("POST", PATH + "/confirm", payment_method=TEXT, expected_amount=TEXT)
def confirm(world: World, params: Params, /, *, id: str) -> Obj:
    """Pay a session for the amount that its page showed."""
    session = world.get(checkout_completion.KIND, id)
    if "payment_method" not in params:
        raise parameter_missing("payment_method")
    expected = params.get("expected_amount")
    if expected is not None and expected != str(session["amount_total"]):
        raise StripeError(
            f"The amount has changed: {session['amount_total']} instead of {expected}.",
            code="checkout_amount_mismatch",
            param="expected_amount",
        )
    method = payment_methods.resolve(world, params["payment_method"])
    return checkout_completion.pay(world, session, method)
