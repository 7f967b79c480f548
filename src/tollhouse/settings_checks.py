"""What makes settings unsafe or incomplete, each problem with its fix."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tollhouse.settings import Settings

SECRET_BYTES_MIN: Final = 32
SECRET_DISTINCT_CHARACTERS_MIN: Final = 10
SECRET_PLACEHOLDER: Final = re.compile(
    r"change.?me|your.?(secret|key)|placeholder|insecure|random.?characters|for.?development", re.I
)
HOW_TO_MAKE_ONE: Final = "make one with `openssl rand -base64 48` and keep it apart from the database's backups"
STRIPE_KEY: Final = re.compile(r"[sr]k_[A-Za-z0-9_]+")
STRIPE_LIVE_KEY: Final = re.compile(r"[sr]k_live_")
STRIPE_SECRET: Final = re.compile(r"whsec_[!-~]+")
STRIPE_BASE: Final = "https://api.stripe.com"
RESERVED_CLAIMS: Final = frozenset(
    {
        *("iss", "sub", "aud", "client_id", "exp", "iat", "nbf", "jti", "sid", "email", "email_verified", "grant_id"),
        *("azp", "act", "auth_time", "scp", "cnf", "events"),
    }
)
NETWORK_FILESYSTEMS: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"),
    }
)


def problems_of(settings: Settings) -> list[str]:
    """Return everything that would make it unsafe or impossible to run with these settings."""
    checks = (_url, _origins, _secret, _database, _redis, _mail, _stripe, _products, _proxies, _sessions, _claims)
    return [problem for check in checks for problem in check(settings)]


def is_loopback(host: str | None) -> bool:
    """Whether a URL's host is this machine."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_problem(name: str, value: str) -> str | None:
    """Say why a text is not an exact, safe origin, or None if it is one."""
    if "@" in value:  # not quoted below, for what stands before it may be a password
        return f"{name} holds a user or a password. Write scheme, host and port only, like https://app.example.com"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return f"{name}: {value!r} is no URL. Write it like https://app.example.com"
    host = parts.hostname or ""
    exact = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    if parts.scheme not in ("http", "https") or not host or value != exact:
        return f"{name}: {value!r} is no exact origin. Write scheme, host in lower case and port only, like https://app.example.com"
    if not re.fullmatch(r"[a-z0-9.:\-]+", host):
        return f"{name}: the host of {value!r} must be plain ASCII (use its xn-- form)."
    if parts.scheme == "http" and not is_loopback(host):
        return (
            f"{name}: {value!r} is plain http off this machine: cookies and links could be read on the way. Use https."
        )
    return None


def _url(settings: Settings) -> Iterator[str]:
    if not settings.url:
        yield "TOLLHOUSE_URL is missing: set the public address of Tollhouse, like https://auth.example.com"
        return
    problem = origin_problem("TOLLHOUSE_URL", settings.url)
    if problem:
        yield problem


def _origins(settings: Settings) -> Iterator[str]:
    for origin in settings.app_origins:
        problem = origin_problem("TOLLHOUSE_APP_ORIGINS", origin)
        if problem:
            yield problem


def _secret(settings: Settings) -> Iterator[str]:
    if not settings.secret:
        yield f"TOLLHOUSE_SECRET is missing: {HOW_TO_MAKE_ONE}."
    for number, secret in enumerate(settings.secret, 1):
        which = f"TOLLHOUSE_SECRET (entry {number})"
        if len(secret.encode()) < SECRET_BYTES_MIN:
            yield f"{which} is shorter than {SECRET_BYTES_MIN} bytes: {HOW_TO_MAKE_ONE}."
        elif is_guessable(secret):
            yield f"{which} looks guessable: {HOW_TO_MAKE_ONE}."


def is_guessable(secret: str) -> bool:
    """Whether a secret says that nobody made it at random: a few characters over and over, or words of a guide."""
    return len(set(secret)) < SECRET_DISTINCT_CHARACTERS_MIN or SECRET_PLACEHOLDER.search(secret) is not None


def _database(settings: Settings) -> Iterator[str]:
    url = settings.database_url
    if not url:
        yield "TOLLHOUSE_DATABASE_URL is missing: set sqlite:////path/tollhouse.db or postgresql://user:password@host/database."
    elif url.startswith("sqlite:"):
        if not url.startswith("sqlite:///") or not str(settings.database_path).strip("."):
            yield "TOLLHOUSE_DATABASE_URL: write sqlite:///relative/path.db or sqlite:////absolute/path.db."
        else:
            yield from _sqlite_file(settings.database_path)
    elif not url.startswith("postgresql://"):
        yield "TOLLHOUSE_DATABASE_URL must start with sqlite:/// or postgresql://."
    for name in ("database_direct_url", "migration_database_url"):
        value: str | None = getattr(settings, name)
        if value and not value.startswith("postgresql://"):
            yield f"TOLLHOUSE_{name.upper()} must start with postgresql://; SQLite needs none."


def _redis(settings: Settings) -> Iterator[str]:
    if settings.redis_url and not re.match("(redis|rediss|valkey|valkeys)://.", settings.redis_url):
        yield "TOLLHOUSE_REDIS_URL must start with redis://, rediss://, valkey:// or valkeys://."


def _sqlite_file(path: Path) -> Iterator[str]:
    folder = path.absolute().parent
    if not folder.is_dir():
        yield f"TOLLHOUSE_DATABASE_URL: the folder {folder} does not exist. Make it, writable for this user."
    kind = filesystem_of(folder)
    if kind in NETWORK_FILESYSTEMS:
        yield (
            f"TOLLHOUSE_DATABASE_URL: {folder} is on a network file system ({kind}), where SQLite's locks do not hold. "
            "Use a local disk, or PostgreSQL."
        )


def filesystem_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the file system that holds a path, where the system tells (Linux)."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    real = path.resolve()
    held = [(Path(line[1].replace("\\040", " ")), line[2]) for line in lines]
    holding = [(len(point.parts), kind) for point, kind in held if real.is_relative_to(point)]
    return max(holding, key=lambda each: each[0])[1] if holding else None


def _mail(settings: Settings) -> Iterator[str]:
    if settings.smtp_url is None:
        if settings.mail_from and settings.mode != "dev":
            yield "TOLLHOUSE_MAIL_FROM is set but TOLLHOUSE_SMTP_URL is not: set both, or neither."
        return
    if not settings.mail_from:
        yield "TOLLHOUSE_MAIL_FROM is missing: set the From of your mails, like `Acme <no-reply@acme.example>`."


def _stripe(settings: Settings) -> Iterator[str]:
    key, secrets = settings.stripe_api_key, settings.stripe_webhook_secrets
    if key and not secrets:
        yield (
            "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS is missing: without it a payment could not be told from a forgery. "
            "`tollhouse stripe setup` makes the endpoint and prints its secret."
        )
    if secrets and not key:
        yield "TOLLHOUSE_STRIPE_API_KEY is missing beside TOLLHOUSE_STRIPE_WEBHOOK_SECRETS: set both, or neither."
    if settings.products and not key:
        yield "TOLLHOUSE_PRODUCTS: there are [[products]] but no TOLLHOUSE_STRIPE_API_KEY to sell them with: set both."
    if key and not STRIPE_KEY.fullmatch(key):
        yield "TOLLHOUSE_STRIPE_API_KEY is none: copy the secret or restricted key, which begins with sk_ or rk_."
    if not all(STRIPE_SECRET.fullmatch(secret) for secret in secrets):
        yield "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS: a signing secret begins with whsec_; copy it from the endpoint's page."
    problem = origin_problem("TOLLHOUSE_STRIPE_API_BASE", settings.stripe_api_base)
    if problem:
        yield problem
    elif key and STRIPE_LIVE_KEY.match(key) and settings.stripe_api_base != STRIPE_BASE:
        yield "TOLLHOUSE_STRIPE_API_BASE leads elsewhere than to Stripe, and a live key must not: leave it out."


def _products(settings: Settings) -> Iterator[str]:
    prices = [price for product in settings.products for price in product.prices]
    ids = {
        "product id": [product.id for product in settings.products],
        "price id": [price.id for price in prices],
        "stripe_price_test": [price.stripe_price_test for price in prices if price.stripe_price_test],
        "stripe_price_live": [price.stripe_price_live for price in prices if price.stripe_price_live],
    }
    for name, values in ids.items():
        for twice in sorted(value for value, count in Counter(values).items() if count > 1):
            yield f"TOLLHOUSE_PRODUCTS: the {name} {twice} is there twice. Give each its own."


def _proxies(settings: Settings) -> Iterator[str]:
    if len(settings.trusted_proxies) == 1 and re.fullmatch("[0-9]{1,2}", settings.trusted_proxies[0]):
        return
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            yield f"TOLLHOUSE_TRUSTED_PROXIES: {network!r} is neither a number nor a network like 10.0.0.0/8."


def _sessions(settings: Settings) -> Iterator[str]:
    if settings.session_idle_seconds > settings.session_lifetime_seconds:
        yield "TOLLHOUSE_SESSION_IDLE_SECONDS is longer than TOLLHOUSE_SESSION_LIFETIME_SECONDS: make it shorter."
    if not settings.has_gate and not settings.has_till:
        yield (
            "Neither gate nor till is configured: set TOLLHOUSE_SMTP_URL and TOLLHOUSE_MAIL_FROM to let people sign in "
            "or TOLLHOUSE_STRIPE_API_KEY and TOLLHOUSE_STRIPE_WEBHOOK_SECRETS to take payments."
        )


def _claims(settings: Settings) -> Iterator[str]:
    for name in sorted(RESERVED_CLAIMS & settings.access_token_claims.keys()):
        yield f"TOLLHOUSE_ACCESS_TOKEN_CLAIMS: `{name}` is a claim that Tollhouse sets itself. Leave it out."
    scope: Any = settings.access_token_claims.get("scope", "")
    if not isinstance(scope, str):
        yield "TOLLHOUSE_ACCESS_TOKEN_CLAIMS: `scope` is text, its scopes separated by spaces (RFC 8693, 4.2)."
