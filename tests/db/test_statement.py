from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, bindparam, insert, select, update

from tollhouse.db import Statement

table = Table("things", MetaData(), Column("id", Text, primary_key=True), Column("size", BigInteger))
FIND = Statement(select(table.c.id).where(table.c.id == bindparam("wanted"), table.c.size > bindparam("least")), str)
WANTED = bindparam("wanted")
TWICE = Statement(select(table.c.id).where((table.c.id == WANTED) | (table.c.id > WANTED)), str)
RENAME = Statement(
    update(table).where(table.c.id == bindparam("wanted"), table.c.size == 7).values(id="new", size=table.c.size + 1),
    str,
)
BY_DIALECT = pytest.mark.parametrize("dialect", ["sqlite", "postgres"])


@BY_DIALECT
def test_values_go_in_the_order_of_the_text(dialect: str) -> None:
    compiled = getattr(FIND, dialect)
    assert compiled.arguments({"least": 3, "wanted": "a"}) == ("a", 3)


def test_each_dialect_has_its_own_way_to_write_a_parameter() -> None:
    assert FIND.sqlite.sql.count("?") == 2
    assert "$1" in FIND.postgres.sql
    assert "?" not in FIND.postgres.sql


@BY_DIALECT
@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"wanted": "a"}, r"missing \['least'\], unknown \[\]"),
        ({}, r"missing \['least', 'wanted'\]"),
        ({"wanted": "a", "least": 1, "most": 2}, r"missing \[\], unknown \['most'\]"),
        ({"wanted": "a", "leest": 1}, r"missing \['least'\], unknown \['leest'\]"),
    ],
)
def test_a_missing_or_unknown_parameter_is_refused(dialect: str, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        getattr(FIND, dialect).arguments(given)


@BY_DIALECT
def test_a_column_left_out_of_an_insert_is_refused_and_not_null(dialect: str) -> None:
    add = Statement(insert(table).values(id=bindparam("id"), size=bindparam("size")), str)
    with pytest.raises(TypeError, match="size"):
        getattr(add, dialect).arguments({"id": "a"})


@BY_DIALECT
def test_constants_are_parameters_nobody_gives(dialect: str) -> None:
    arguments = getattr(RENAME, dialect).arguments({"wanted": "a"})
    assert sorted(map(str, arguments)) == ["1", "7", "a", "new"]
    with pytest.raises(TypeError, match="unknown"):
        getattr(RENAME, dialect).arguments({"wanted": "a", "size_1": 8})


@BY_DIALECT
def test_a_parameter_used_twice_is_given_once(dialect: str) -> None:
    assert set(getattr(TWICE, dialect).arguments({"wanted": "a"})) == {"a"}


def test_it_is_compiled_once() -> None:
    assert FIND.sqlite is FIND.sqlite
    assert FIND.postgres is FIND.postgres
