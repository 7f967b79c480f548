"""Every setting, where it comes from, and why Tollhouse would refuse to start with it (law L8)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as NotJson

from tollhouse.errors import SettingsError
from tollhouse.settings_checks import problems_of
from tollhouse.settings_sources import SecretFileSource, split_list
from tollhouse.settings_structures import ClientSettings, EndpointSettings, IssuerSettings, ProductSettings

PREFIX = "TOLLHOUSE_"

StringList = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """The settings, from arguments, the environment, `…_FILE`s, `.env` and `tollhouse.toml`, in this order."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        toml_file="tollhouse.toml",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )
    lists: ClassVar = (
        "app_origins",
        "secret",
        "stripe_webhook_secrets",
        "trusted_proxies",
        "admin_emails",
        "access_token_audiences",
    )

    url: str = Field("", description="Public base URL of Tollhouse; every link is built from it and nothing else.")
    app_origins: StringList = Field((), description="Exact origins of your app: redirects, CORS and CSRF.")
    secret: StringList = Field(
        (), description="32 or more random bytes as text; a comma-separated list rotates, the first one is current."
    )
    database_url: str = Field("", description="`sqlite:///path` or `postgresql://user:password@host/database`.")
    database_direct_url: str | None = Field(None, description="PostgreSQL past the pooler, when DATABASE_URL is one.")
    migration_database_url: str | None = Field(None, description="PostgreSQL as the role that owns the tables.")
    redis_url: str | None = Field(None, description="Valkey or Redis for flood limits over all replicas. Optional.")
    smtp_url: str | None = Field(
        None, description="`smtp+starttls://`, `smtps://` or `smtp://` with user, password, host and port."
    )
    mail_from: str | None = Field(None, description="From of every mail: `Acme <no-reply@acme.example>`.")
    stripe_api_key: str | None = Field(None, description="Secret or restricted key of your Stripe account.")
    stripe_webhook_secrets: StringList = Field((), description="Signing secrets of your webhook endpoint, one or more.")
    stripe_api_base: str = Field("https://api.stripe.com", description="Where Stripe's API is.")
    trusted_proxies: StringList = Field(
        (),
        description="How many proxies stand before Tollhouse, or their networks; none means that nobody is believed.",
    )
    admin_emails: StringList = Field((), description="Addresses that may open the operator's pages.")
    sign_up: Literal["open", "closed"] = Field("open", description="`closed` admits known and invited addresses only.")
    sign_up_credits: int = Field(0, ge=0, description="Credits that a new user starts with.")
    credits_low: int = Field(0, ge=0, description="`credits.low` is told when fewer than so many are left; 0 is never.")
    brand_name: str = Field(
        "Tollhouse", min_length=1, max_length=60, description="The site's name on pages and in mails."
    )
    brand_color: str = Field("#1f5f4a", pattern=r"^#[0-9a-fA-F]{6}$", description="The site's colour, `#rrggbb`.")
    magic_link_lifetime_seconds: Seconds = Field(600, le=3600, description="How long a link and its code live.")
    session_idle_seconds: Seconds = Field(30 * 86400, description="A session unused for so long ends.")
    session_lifetime_seconds: Seconds = Field(
        180 * 86400, description="A session this old ends however much it is used."
    )
    access_token_lifetime_seconds: Seconds = Field(600, le=3600, description="How long an access token lives.")
    access_token_audiences: StringList = Field((), description="`aud` of our access tokens; URL unless set.")
    access_token_claims: dict[str, Any] = Field(
        {},
        description='Static claims of our access tokens, as JSON: `{"role": "authenticated"}` for Supabase.',
    )
    issuers: tuple[IssuerSettings, ...] = Field((), description="`[[issuers]]`: whose tokens are accepted beside ours.")
    clients: tuple[ClientSettings, ...] = Field((), description="`[[clients]]`: apps that sign in through us.")
    products: tuple[ProductSettings, ...] = Field((), description="`[[products]]`: what is sold, and for how much.")
    endpoints: tuple[EndpointSettings, ...] = Field(
        (), description="`[[endpoints]]`: where your app is told of events."
    )
    checkout_promotion_codes: bool = Field(default=False, description="Whether Checkout takes promotion codes.")
    checkout_automatic_tax: bool = Field(default=False, description="Whether Stripe works out taxes.")
    limit_mails_per_address_and_network_per_hour: Count = Field(5, description="Mails to one address from one network.")
    limit_mail_gap_seconds: Count = Field(30, description="Pause between two mails to one address from one network.")
    limit_mails_per_address_per_hour: Count = Field(20, description="Mails to one address from everywhere.")
    limit_mails_per_ip_per_hour: Count = Field(60, description="Mails asked for by one IP (IPv6: one /64).")
    limit_mails_per_second: Count = Field(200, description="Mails asked for by everybody together, per replica.")
    limit_code_tries_per_address_per_day: Count = Field(
        50, description="Codes typed for one address by browsers that never signed in to it."
    )
    limit_token_tries_per_ip_per_minute: Count = Field(
        120, description="Mails asked for, links opened and codes typed by one IP (IPv6: one /64), per replica."
    )
    metrics_token: str | None = Field(
        None, description="Bearer token for `/metrics`; without it there are no metrics, but on plain-http loopback."
    )
    sentry_dsn: str | None = Field(None, description="Where errors are reported. Optional.")
    log_format: Literal["json", "console"] = Field("json", description="How log lines look.")
    mode: Literal["serve", "dev"] = Field("serve", description="`dev` is set by `tollhouse dev` and by nothing else.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the `…_FILE` variants behind the plain ones and `tollhouse.toml` last."""
        return (
            init_settings,
            env_settings,
            SecretFileSource(settings_cls),
            dotenv_settings,
            TomlConfigSettingsSource(settings_cls),
        )

    @field_validator(*lists, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_list(value)

    @field_validator("url", "stripe_api_base", mode="after")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("app_origins", mode="after")
    @classmethod
    def _origins_without_slash(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin.rstrip("/") for origin in value)

    @field_validator("database_url", "database_direct_url", "migration_database_url", mode="after")
    @classmethod
    def _one_spelling(cls, value: str | None) -> str | None:
        return "postgresql://" + value[11:] if value and value.startswith("postgres://") else value

    @property
    def database_path(self) -> Path:
        """The SQLite file; `sqlite:///name` is relative and `sqlite:////name` absolute."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def is_https(self) -> bool:
        """Whether cookies can be Secure and `__Host-`."""
        return self.url.startswith("https://")

    @property
    def has_gate(self) -> bool:
        """Whether people can sign in here, for which mail must go out."""
        return self.smtp_url is not None or self.mode == "dev"

    @property
    def has_till(self) -> bool:
        """Whether payments are configured."""
        return self.stripe_api_key is not None

    @classmethod
    def load(cls, *more_checks: Callable[[Settings], Iterable[str]], **given: Any) -> Settings:
        """Read and check everything; raise one `SettingsError` that names every problem and its fix.

        `more_checks` are those of floors above this one, whose parsers decide what is right.
        """
        given.setdefault("mode", "serve")  # the environment cannot make a server a development one
        problems: list[str] = []
        names: set[str] = set()
        try:
            settings = cls(**given)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            problems = [_explain(each) for each in wrong]
            names = {str(each["loc"][0]) for each in wrong}
            settings = cls(**given | {name: cls.model_fields[name].get_default() for name in names})
        except NotJson as error:
            raise SettingsError([f"{PREFIX}{_field_of(error).upper()} is not JSON: check it."]) from None
        except ValueError as error:  # tollhouse.toml or .env cannot be parsed
            raise SettingsError([f"A settings file cannot be read: {type(error).__name__}: {error}"]) from None
        checked = [*problems_of(settings), *(problem for check in more_checks for problem in check(settings))]
        replaced = tuple(PREFIX + name.upper() for name in names)
        problems += [problem for problem in checked if not problem.startswith(replaced)]
        if problems:
            raise SettingsError(problems)
        return settings


def _explain(error: Any) -> str:
    field, *inside = (str(each) for each in error["loc"])
    where = f" at `{'.'.join(inside)}`" if inside else ""
    return f"{PREFIX}{field.upper()} is not right{where}: {error['msg']}. {Settings.model_fields[field].description}"


def _field_of(error: NotJson) -> str:
    """Return the field that a source could not read; the library says it in its message alone."""
    found = re.search('field "([a-z_]+)"', str(error))
    return found[1] if found else "…"


def found_unknown_settings(environment: dict[str, str] | None = None) -> list[str]:
    """Return `TOLLHOUSE_…` variables that no setting reads: usually a slip of the pen."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    names = environment if environment is not None else dict(os.environ)
    return sorted(n for n in names if n.startswith(PREFIX) and n.removesuffix("_FILE") not in known)
