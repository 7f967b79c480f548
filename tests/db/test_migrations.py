"""From nothing to the newest schema, by many at once, through deaths, and what a release takes for its own."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.db.rows import NAMES, open_database
from tests.db.statements import find_statements
from tests.db.test_every_statement import run_sql
from tests.support.testdata import TESTS
from tollhouse.db import metadata
from tollhouse.db.migrations import head, migrate
from tollhouse.db.schema import VERSIONS, SchemaOutdated, known_revisions, require_current


async def on_connection(url: str, ask: Any) -> Any:
    if url.startswith("sqlite:"):
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                return ask(connection)
        finally:
            engine.dispose()
    aengine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    try:
        async with aengine.connect() as connection:
            return await connection.run_sync(ask)
    finally:
        await aengine.dispose()


async def table_names(url: str) -> set[str]:
    return set(await on_connection(url, lambda connection: inspect(connection).get_table_names()))


async def migrate_elsewhere(url: str, *arguments: str) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.db.migrator_process", url, *arguments, cwd=TESTS.parent
    )
    return await child.wait()


async def complaint(url: str) -> str | None:
    db = await open_database(url)
    try:
        await require_current(db)
    except SchemaOutdated as error:
        return error.detail
    finally:
        await db.close()
    return None


async def test_the_migrations_and_the_tables_in_the_code_are_the_same(database_url: str) -> None:
    assert find_statements(), "which imports every module that has tables"
    await migrate(database_url)

    def compare(connection: Any) -> list[Any]:
        options = {"version_table": "tollhouse_schema", "compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await on_connection(database_url, compare) == []


async def test_partial_indexes_are_the_same_in_the_migrations_and_in_the_code(migrated_database_url: str) -> None:
    """What Alembic does not compare."""

    def partial(connection: Any) -> set[tuple[str | None, str]]:
        return {
            (index["name"], re.sub(r"::\w+|[()\s]", "", str(options[key])))
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
            for options in [index.get("dialect_options") or {}]
            for key in options
            if key.endswith("_where") and options[key] is not None
        }

    in_code = {
        (index.name, str(where).replace(" ", ""))
        for table in metadata.tables.values()
        for index in table.indexes
        if (where := index.dialect_options["sqlite"]["where"]) is not None
    }
    assert in_code == await on_connection(migrated_database_url, partial)
    assert in_code


async def test_migrating_again_changes_nothing(migrated_database_url: str) -> None:
    await migrate(migrated_database_url)
    assert await table_names(migrated_database_url) == {*metadata.tables, "tollhouse_schema"}


async def test_ten_migrators_at_once_make_one_schema(database_url: str) -> None:
    await asyncio.gather(*(migrate(database_url) for _ in range(10)))
    assert await complaint(database_url) is None
    db = await open_database(database_url)
    assert await db.fetch_all(NAMES) == []
    await db.close()


@pytest.mark.slow
@pytest.mark.parametrize("statements", ["1", "9", "20"])
async def test_a_migrator_that_is_killed_leaves_nothing_and_can_be_run_again(
    database_url: str, statements: str
) -> None:
    assert await migrate_elsewhere(database_url, statements) == -9
    for _ in range(100):  # until the server has noticed
        if await table_names(database_url) == set():
            break
        await asyncio.sleep(0.05)
    assert await table_names(database_url) == set()
    assert await complaint(database_url) is not None
    codes = await asyncio.gather(migrate_elsewhere(database_url), migrate_elsewhere(database_url))
    assert codes == [0, 0]
    assert await complaint(database_url) is None


async def test_a_database_without_a_schema_is_refused(database_url: str) -> None:
    assert "tollhouse migrate" in (await complaint(database_url) or "")


async def test_a_database_whose_schema_is_older_is_refused(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await complaint(migrated_database_url) is None
    newer = [*known_revisions(), "0998"]
    monkeypatch.setattr("tollhouse.db.schema.known_revisions", lambda: newer)
    assert "tollhouse migrate" in (await complaint(migrated_database_url) or "")


async def test_a_database_whose_schema_is_newer_is_served_and_left_alone(migrated_database_url: str) -> None:
    await run_sql(migrated_database_url, "UPDATE tollhouse_schema SET version_num = '0999'")
    assert await complaint(migrated_database_url) is None
    await migrate(migrated_database_url)
    await run_sql(migrated_database_url, "UPDATE tollhouse_schema SET version_num = '0999'")
    assert await complaint(migrated_database_url) is None


def test_revisions_are_named_so_that_their_order_is_that_of_their_files() -> None:
    assert known_revisions()[-1] == head()
    assert known_revisions() == [f"{n:04}" for n in range(1, len(known_revisions()) + 1)]


def test_a_migration_only_adds_what_the_release_before_does_not_mind() -> None:
    """Old code serves on, so nothing is dropped or renamed in one step; `# after: 0007` says whose code is gone."""
    for path in sorted(VERSIONS.glob("[0-9]*.py"))[1:]:
        assert find_breakage(path.read_text()) == [], path.name


def test_the_rule_would_notice_a_breaking_migration() -> None:
    start = "def upgrade() -> None:\n    "
    assert find_breakage(start + 'op.drop_column("a", "b")\n') == ["drop_column"]
    assert find_breakage(start + 'op.drop_column("a", "b")  # after: 0007\n') == []
    assert find_breakage(start + 'op.add_column("a", sa.Column("b", sa.Text(), nullable=False))\n') == ["no default"]
    assert find_breakage(start + 'op.add_column("a", sa.Column("b", sa.Text(), nullable=True))\n') == []


def find_breakage(text: str) -> list[str]:
    found = []
    for line in text[text.index("def upgrade") :].splitlines():
        words = re.findall(r"drop_column|drop_table|rename_table|alter_column|drop_constraint", line)
        found += [word for word in words if "# after: " not in line]
        if "add_column" in line and "nullable=False" in line and "server_default" not in line:
            found.append("no default")
    return found
