"""What commands share: settings, an open database, output."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from tollhouse.errors import SettingsError

if TYPE_CHECKING:
    from tollhouse.runtime import Runtime
    from tollhouse.settings import Settings

Result = TypeVar("Result")

HEADER_READ_TIMEOUT_MS: Final = 10_000
HEADER_BYTES_MAX: Final = 32 * 1024
STOP_SECONDS_MAX: Final = 30

DEV_DATA: Final = Path(".tollhouse")  # where `tollhouse dev` keeps everything, unless told otherwise

as_json = click.option("--json", "json_output", is_flag=True, help="Print JSON.")


def settings_or_exit() -> Settings:
    """Return the settings, or print everything that is wrong with them and exit with 1."""
    from tollhouse.boot_checks import settings_problems
    from tollhouse.settings import Settings, found_unknown_settings
    from tollhouse.telemetry import logs

    try:
        settings = Settings.load(settings_problems)
    except SettingsError as error:
        click.echo(error.detail, err=True)
        sys.exit(1)
    logs.configure(settings.log_format)
    for name in found_unknown_settings():
        click.echo(f"Note: {name} is set, but there is no such setting.", err=True)
    return settings


def database_settings_or_exit() -> Settings:
    """Return the settings of a command that opens the database; where none names one, those of `tollhouse dev` here."""
    from tollhouse.settings import Settings
    from tollhouse.telemetry import logs

    given: dict[str, Any] = {"mode": "serve"}
    with contextlib.suppress(ValueError):  # which `settings_or_exit` explains
        if not Settings(**given).database_url and (DEV_DATA / "port").exists():
            from tollhouse.dev.server import kept_settings

            click.echo(f"On the data of `tollhouse dev` in {DEV_DATA}.", err=True)
            logs.configure("console")
            return kept_settings(DEV_DATA)
    return settings_or_exit()


def with_database(work: Callable[[Runtime], Awaitable[Result]]) -> Result:
    """Run `work(runtime)` with the database open and nothing else running."""

    async def go() -> Result:
        from tollhouse.app import Tollhouse

        async with Tollhouse(database_settings_or_exit()).opened() as run:
            return await work(run)

    return asyncio.run(go())


async def check_schema(settings: Settings) -> None:
    """Refuse a database that is older than this code."""
    from tollhouse import db as databases
    from tollhouse.db.schema import require_current

    db = databases.connect(settings)
    await db.open()
    try:
        await require_current(db)
    finally:
        await db.close()


def run_server(*, host: str, port: int, workers: int) -> None:
    """Serve on Granian until a signal."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    Granian(
        "tollhouse.app:create_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        workers=workers,
        websockets=False,
        log_level=LogLevels.warning,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_TIMEOUT_MS, max_buffer_size=HEADER_BYTES_MAX),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS_MAX,
    ).serve()


def print_records(records: Sequence[Mapping[str, Any]], *, json_output: bool) -> None:
    """Print records as JSON, or as one aligned line each."""
    if json_output:
        click.echo(json.dumps(list(records), indent=2))
        return
    if not records:
        click.echo("None.")
        return
    columns = list(records[0])
    rows = [columns, *([say(record[column]) for column in columns] for record in records)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_record(record: Mapping[str, Any], *, json_output: bool) -> None:
    """Print one record as JSON, or a line for each field."""
    if json_output:
        click.echo(json.dumps(dict(record), indent=2))
        return
    width = max(len(name) for name in record)
    for name, value in record.items():
        click.echo(f"{name.ljust(width)}  {say(value)}")


def say(value: Any) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "-"
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def fail(message: str) -> NoReturn:
    """Print what is wrong and exit with 1."""
    click.echo(message, err=True)
    sys.exit(1)
