"""Commands over what is billed again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

DECLINED_LATER: Final = "4000000000000341"  # it can be saved, and is declined when it is to pay


@command("POST", "/subscriptions/{id}/fail_next_payment", "Gives a subscription a card that is declined from now on.")
def fail_next_payment(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the subscription; turn the clock to its next period to see it fail, or pay an invoice."""
    return _change_card(sandbox.world, id, DECLINED_LATER)


@command("POST", "/subscriptions/{id}/card", "Gives a subscription another card to pay with.", card="string")
def change_card(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the subscription. Raises `StripeError` 402 for a card that cannot be saved."""
    return _change_card(sandbox.world, id, told["card"])


def _change_card(world: World, subscription_id: str, number: str) -> Obj:
    subscription = world.get("subscription", subscription_id)
    method = payment_methods.attach(world, payment_methods.create_card(world, number), subscription["customer"])
    return world.change(subscription, {"default_payment_method": method["id"]}, "customer.subscription.updated")
