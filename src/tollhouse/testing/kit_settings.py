"""The settings of a test, and its database."""

from __future__ import annotations

from typing import Any, Final

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tollhouse import db as databases
from tollhouse.boot_checks import settings_problems
from tollhouse.db.migrations import migrate
from tollhouse.db.schema import SchemaOutdated, require_current
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.sandbox.sandbox import URL as SANDBOX_URL
from tollhouse.settings import Settings
from tollhouse.signing.tokens import create_token

URL: Final = "https://toll.example.com"
# Until the sandbox's endpoint is made, whose own secret takes its place.
NO_WEBHOOK_SECRET: Final = "whsec_" + "0" * 32
STRIPE: Final[dict[str, Any]] = {
    "stripe_api_key": API_KEY,
    "stripe_api_base": SANDBOX_URL,  # never dialled; at Stripe's own address requests are held to Stripe's limits
    "stripe_webhook_secrets": NO_WEBHOOK_SECRET,
}


class KitSettings(Settings):
    """Settings given by the test alone: nothing of this machine's environment, `.env` or `tollhouse.toml` leaks in."""

    model_config = SettingsConfigDict(env_file=None, toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep the arguments."""
        return (init_settings,)


def make_settings(**given: Any) -> Settings:
    """Return settings as safe as in production; `given` are those of `Settings`, by name."""
    usual: dict[str, Any] = {
        "url": URL,
        "database_url": "sqlite:///tollhouse.db",  # the kit names another one before it opens any
        "secret": create_token(),
        "smtp_url": "smtps://mail.example.com",  # never dialled: the catcher stands in its place
        "mail_from": "Toll <no-reply@example.com>",
    }
    return KitSettings.load(settings_problems, **usual | given)


async def bring_up_to_date(settings: Settings) -> None:
    """Migrate the database, unless it is at the newest schema already."""
    db = databases.connect(settings)
    await db.open()
    try:
        await require_current(db)
        return
    except SchemaOutdated:
        pass
    finally:
        await db.close()
    await migrate(settings.database_url)
