"""Every statement of the code runs on both databases, also on the schema of the next release."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import asyncpg
import pytest

from tests.db.rows import file_of
from tests.db.statements import find_statements, module_names
from tollhouse.db import Statement, metadata
from tollhouse.db.migrations import migrate

STATEMENTS = find_statements()

# What a later release may do while this one still serves: tables, columns that old code need not fill, indexes.
NEXT_RELEASE = (
    "CREATE TABLE tollhouse_things (id text PRIMARY KEY, user_id text NOT NULL REFERENCES tollhouse_users (id))",
    *(f"ALTER TABLE {name} ADD COLUMN later text" for name in sorted(metadata.tables)),
    *(f"ALTER TABLE {name} ADD COLUMN counted bigint NOT NULL DEFAULT 0" for name in sorted(metadata.tables)),
    "CREATE INDEX tollhouse_users_later ON tollhouse_users (later)",
    "UPDATE tollhouse_schema SET version_num = '0999'",
)

HOT = {
    "tollhouse.identity.sessions.FIND": "tollhouse_sessions",
    "tollhouse.identity.sessions.TOUCH": "tollhouse_sessions",
    "tollhouse.identity.sessions.LIST": "tollhouse_sessions",
    "tollhouse.identity.magic_links.FIND": "tollhouse_magic_links",
    "tollhouse.identity.magic_links.USE": "tollhouse_magic_links",
    "tollhouse.identity.magic_links.END_OLDER": "tollhouse_magic_links",
    "tollhouse.identity.sign_ins.NEWEST": "tollhouse_magic_links",
    "tollhouse.identity.users.FIND": "tollhouse_users",
    "tollhouse.limits.exact.FIND": "tollhouse_limits",
    "tollhouse.events.deliveries.CLAIM": "tollhouse_deliveries",
    "tollhouse.events.deliveries.CLAIM_NEXT": "tollhouse_deliveries",
    "tollhouse.events.deliveries.PUT_OFF": "tollhouse_deliveries",
    "tollhouse.events.deliveries.FINISH": "tollhouse_deliveries",
    "tollhouse.events.deliveries.POSTPONE": "tollhouse_deliveries",
    "tollhouse.events.mail_wait.WAITS_SINCE": "tollhouse_deliveries",
    "tollhouse.events.worker.DUE_SUBSCRIBERS": "tollhouse_deliveries",
}


def a_value(kind: str) -> Any:
    return {"bytea": b"x" * 32, "bool": True}.get(kind, 3 if kind.startswith("int") else "x")


def explain_on_sqlite(url: str, statement: Statement[Any]) -> list[str]:
    compiled = statement.sqlite
    with closing(sqlite3.connect(file_of(url))) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", ["x"] * compiled.sql.count("?"))
        return [row[3] for row in rows]


async def explain_all(url: str) -> dict[str, str]:
    """What went wrong, by statement."""
    wrong: dict[str, str] = {}
    if url.startswith("sqlite:"):
        for name, statement in STATEMENTS.items():
            try:
                explain_on_sqlite(url, statement)
            except sqlite3.Error as error:
                wrong[name] = str(error)
        return wrong
    connection = await asyncpg.connect(url)
    for name, statement in STATEMENTS.items():
        compiled = statement.postgres
        try:
            prepared = await connection.prepare(f"EXPLAIN {compiled.sql}")
            await prepared.fetch(*(a_value(kind.name) for kind in prepared.get_parameters()))
        except asyncpg.PostgresError as error:
            wrong[name] = str(error)
    await connection.close()
    return wrong


async def run_sql(url: str, *statements: str) -> None:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(file_of(url))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return
    connection = await asyncpg.connect(url)
    await connection.execute("; ".join(statements))
    await connection.close()


def test_the_search_finds_them() -> None:
    assert len(STATEMENTS) > 50
    assert {"tollhouse.limits.exact.TAKING[2]", *HOT} <= STATEMENTS.keys()
    assert "tollhouse.cli.main" in set(module_names())


async def test_every_statement_runs_on_the_newest_schema(migrated_database_url: str) -> None:
    assert await explain_all(migrated_database_url) == {}


async def test_the_search_would_notice_a_wrong_one(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await run_sql(migrated_database_url, "ALTER TABLE tollhouse_users RENAME COLUMN blocked_at TO gone")
    assert "tollhouse.identity.users.BLOCK" in await explain_all(migrated_database_url)


async def test_every_statement_still_runs_on_the_schema_of_a_later_release(migrated_database_url: str) -> None:
    await run_sql(migrated_database_url, *NEXT_RELEASE)
    assert await explain_all(migrated_database_url) == {}
    await migrate(migrated_database_url)  # an old `tollhouse migrate` has nothing to do there, and takes nothing back
    assert await explain_all(migrated_database_url) == {}


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_statement_finds_its_rows_by_an_index(name: str, sqlite_databases: Any, tmp_path: Any) -> None:
    async with sqlite_databases.migrated(tmp_path) as url:
        plan = explain_on_sqlite(url, STATEMENTS[name])
    assert not [
        step for step in plan if step.startswith(("SCAN tollhouse_", f"SCAN {HOT[name]}")) and "subscribers" not in step
    ]
    of_all = [step for step in plan if "status_finished_at" in step and "got_through" not in step]
    assert not of_all, "that is all that wait, whoever for"


def test_what_a_parameter_cannot_reach_is_a_partial_index() -> None:
    """SQLite and a generic plan of PostgreSQL take a partial index only where its condition stands in the text."""
    for name in ("deliveries.CLAIM", "deliveries.CLAIM_NEXT", "deliveries.PUT_OFF", "mail_wait.WAITS_SINCE"):
        statement = STATEMENTS[f"tollhouse.events.{name}"]
        assert "status = 'waiting'" in statement.sqlite.sql
        assert "status = 'waiting'" in statement.postgres.sql
