"""Commands. Heavy modules are imported by the command that needs them, so that `--help` is quick."""

from __future__ import annotations

from tollhouse.cli.main import main

__all__ = ["main"]
