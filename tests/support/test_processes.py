"""A process that a test starts is told what it may know, is waited for, and ends with the test."""

from __future__ import annotations

import sys

import pytest

from tests.support.processes import ProcessFailed, spawn

PYTHON = [sys.executable, "-c"]


async def test_a_server_is_waited_for_and_stopped(tmp_path):
    serve = (
        "import http.server as h, os; h.test(h.SimpleHTTPRequestHandler, bind='127.0.0.1', port=int(os.environ['P']))"
    )
    with spawn([serve], {"P": "{port}"}, folder=tmp_path, command=PYTHON) as process:
        assert (await process.answers("/")).exit_code is None
    assert process.exit_code is not None


async def test_a_process_that_ends_early_shows_its_output(tmp_path):
    with spawn(["raise SystemExit('no secret set')"], {}, folder=tmp_path, command=PYTHON) as process:
        with pytest.raises(ProcessFailed, match="no secret set"):
            await process.answers("/")
        assert await process.ended() == 1


async def test_settings_of_this_machine_do_not_leak_into_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TOLLHOUSE_SECRET", "leaked")
    ask = "import os; print(sorted(os.environ))"
    with spawn([ask], {"TOLLHOUSE_URL": "x"}, folder=tmp_path, command=PYTHON) as process:
        assert await process.ended() == 0
        assert "TOLLHOUSE_URL" in process.text()
        assert "TOLLHOUSE_SECRET" not in process.text()
