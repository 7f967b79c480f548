"""Objects as earlier versions of the API showed them. Source: docs.stripe.com/changelog.

The sandbox keeps every object as version 2026-10-28.endive shows it. What an earlier version shows is made of that,
from the newest change back to the oldest that the version does not have:

- before 2026-10-28 (endive): Checkout Sessions, payment and setup intents have no `allowed_payment_method_types`, and
  charges still have `destination`, `dispute` and `order`.
- before 2026-03-25 (dahlia): a session's `ui_mode` is `hosted`, `embedded` or `custom`.
- before 2025-09-30 (clover): a discount and a promotion code have the whole `coupon`, not `source` or `promotion`.
- before 2025-03-31 (basil): the period is the subscription's own, and so is its one `discount`; an invoice has
  `subscription`, `payment_intent`, `charge`, `paid`, `tax` …, a charge and a payment intent their `invoice`; lines and
  invoice items have `price`, `plan`, `type`, `proration` … in the place of `pricing` and `parent`; a session has
  `shipping_details`.
- before 2024-04-10: a product's `marketing_features` are its `features`.
- before 2022-11-15: a payment intent embeds its `charges`, a charge its `refunds`.

Fields that were only added stay, as they do at Stripe. Earlier changes than these are not made.
"""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.versions_of_billing import CHANGES as BILLING
from tollhouse.sandbox.api.versions_of_catalogue import CHANGES as CATALOGUE
from tollhouse.sandbox.api.versions_of_payments import CHANGES as PAYMENTS
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_list, is_object

DATE_LENGTH: Final = len("2026-10-28")
# The newest first: a version gets all changes that are dated later than itself.
CHANGES: Final = sorted((*BILLING, *CATALOGUE, *PAYMENTS), key=lambda each: each.date, reverse=True)
NEWEST: Final = CHANGES[0].date


def downgrade(obj: Obj, version: str, world: World) -> Obj:
    """Return the object, with what lies in it, as this version shows it; the argument is not changed.

    An event keeps the version it was made for, as at Stripe: see `downgrade_event`.
    """
    date = version[:DATE_LENGTH]
    return obj if date >= NEWEST or obj.get("object") == "event" else _Downgrade(date, world).of_object(obj)


def downgrade_event(event: Obj, version: str, world: World) -> Obj:
    """Return the event as an endpoint of this version gets it: its object, and what that was before."""
    date = version[:DATE_LENGTH]
    shown = event | {"api_version": version}
    if date >= NEWEST:
        return shown
    made = _Downgrade(date, world)
    shown["data"] = {**event["data"], "object": made.of_object(event["data"]["object"])}
    if "previous_attributes" in event["data"]:
        part = {"object": event["data"]["object"]["object"], **event["data"]["previous_attributes"]}
        part = made.of_object(part)
        del part["object"]
        shown["data"]["previous_attributes"] = part
    return shown


class _Downgrade:
    """Goes through an object and all that lies in it."""

    def __init__(self, date: str, world: World) -> None:
        self._world = world
        self._due = [each for each in CHANGES if each.date > date]

    def of_object(self, obj: Obj) -> Obj:
        """Change the object itself before its parts: what was moved out of a part is still there then."""
        kind = obj.get("object")
        shown = dict(obj)
        for change in self._due:
            if change.kind == kind and not obj.get("deleted"):
                change.apply(shown, self._world)
        return {name: value if name == HIDDEN else self._of_value(value) for name, value in shown.items()}

    def _of_value(self, value: Any) -> Any:
        if is_object(value):
            return self.of_object(value)
        return [self._of_value(each) for each in value] if is_list(value) else value
