"""What Stripe bills and the sandbox does not: refused, since to ignore it would tell wrong amounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tollhouse.sandbox.errors import invalid, missing

TAX_RATES: Final = ("default_tax_rates", "tax_rates", "tax_amounts")
OTHERS: Final = (
    "application_fee_amount",
    "application_fee_percent",
    "billing_schedules",
    "billing_thresholds",
    "current_trial",
    "from_invoice",
    "on_behalf_of",
    "pending_invoice_item_interval",
    "schedule",
    "schedule_details",
    "shipping_cost",
    "transfer_data",
)


def refuse(given: Mapping[str, Any], at: str = "") -> None:
    """Raise `StripeError` 400 for parameters of what is not simulated; `at` is the bracketed name they lie in."""
    for name, value in given.items():
        param = f"{at}[{name}]" if at else name
        if name in TAX_RATES and value:
            raise missing("tax rate", value[0] if isinstance(value[0], str) else name, param=param, status=400)
        if name in OTHERS and value:
            raise invalid(f"The sandbox does not simulate `{name}`.", param)
