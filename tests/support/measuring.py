"""Where coverage is measured: wherever it can learn something. What is left out can only make its numbers smaller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest

from tests.support.testdata import TESTS

# Set by `patch = ["subprocess"]`: a process that finds it measures itself.
CHILDREN_MEASURE = "COVERAGE_PROCESS_CONFIG"
# Of what is tested here nothing is held to a mark: see tools/coverage_gate.py.
NOT_GUARDED = ("outbound", "sandbox", "support")
# These lead through guarded code by ways that its own tests have all been: without them the same branches are tried.
NOTHING_NEW = ("docs", "settings", "telemetry")
UNMEASURED = tuple(TESTS / name for name in (*NOT_GUARDED, *NOTHING_NEW))


def is_measured(item: pytest.Item) -> bool:
    """Whether the test may take branches that no other takes.

    Outside `tests/db` a run on PostgreSQL takes those of the run on SQLite; a browser's server is asked nothing that
    tests at its routes do not ask, and only slowed down.
    """
    if any(item.path.is_relative_to(folder) for folder in UNMEASURED):
        return False
    if item.get_closest_marker("browser") or item.get_closest_marker("unmeasured"):
        return False
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return parameters.get("backend") != "postgres" or item.path.is_relative_to(TESTS / "db")


@contextmanager
def measuring_paused() -> Iterator[None]:
    """Measure neither here nor in processes started meanwhile; nothing where nothing is measured anyway."""
    for_children = os.environ.pop(CHILDREN_MEASURE, None)
    # A worker of a parallel run is measured twice over: as a child, and by its plugin; the lower goes on when the
    # upper stops.
    stopped: list[coverage.Coverage] = []
    while measured := coverage.Coverage.current():
        measured.stop()
        stopped.append(measured)
    try:
        yield
    finally:
        for measured in reversed(stopped):
            measured.start()
        if for_children is not None:
            os.environ[CHILDREN_MEASURE] = for_children
