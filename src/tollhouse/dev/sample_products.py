"""What `tollhouse dev` sells when tollhouse.toml names no products."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.settings_structures import ProductSettings

_SAMPLES: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "credits",
        "name": "Credits",
        "description": "Pay for what you use.",
        "prices": [
            {
                "id": "credits-100",
                "unit_amount_minor": 900,
                "credits": 100,
                "credits_lifetime_days": 365,
                "quantity_max": 10,
            },
            {
                "id": "credits-1000",
                "unit_amount_minor": 6900,
                "credits": 1000,
                "credits_lifetime_days": 365,
            },
        ],
    },
    {
        "id": "starter",
        "name": "Starter",
        "description": "For one person.",
        "features": ["export"],
        "prices": [
            {"id": "starter-monthly", "unit_amount_minor": 1200, "interval": "month", "credits": 200},
            {"id": "starter-yearly", "unit_amount_minor": 12000, "interval": "year", "credits": 2400},
        ],
    },
    {
        "id": "team",
        "name": "Team",
        "description": "For a handful of people, with two weeks to try.",
        "features": ["export", "api"],
        "prices": [
            {
                "id": "team-monthly",
                "unit_amount_minor": 4900,
                "interval": "month",
                "credits": 1000,
                "trial_days": 14,
                "trial_credits": 50,
            },
            {
                "id": "team-yearly",
                "unit_amount_minor": 49000,
                "interval": "year",
                "credits": 12000,
                "trial_days": 14,
                "trial_credits": 50,
            },
        ],
    },
)


def _complete(price: dict[str, Any]) -> dict[str, Any]:
    mode = "subscription" if "interval" in price else "payment"
    return {"currency": "eur", "mode": mode, **price}


SAMPLE_PRODUCTS: Final = tuple(
    ProductSettings.model_validate(sample | {"prices": [_complete(price) for price in sample["prices"]]})
    for sample in _SAMPLES
)
