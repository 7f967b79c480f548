"""Asking a database for its schema."""

from __future__ import annotations

import pytest

from tests.db.rows import open_database
from tollhouse.db.schema import require_current
from tollhouse.errors import DatabaseUnavailable


async def test_a_database_that_does_not_answer_is_not_called_outdated(migrated_database_url: str) -> None:
    """`tollhouse migrate` would not help whoever is told so."""
    db = await open_database(migrated_database_url)
    await require_current(db)
    await db.close()
    with pytest.raises(DatabaseUnavailable):
        await require_current(db)
