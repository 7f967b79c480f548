"""Every statement that the code holds, found and not listed, so that a new one cannot be forgotten."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import tollhouse
from tollhouse.db import Statement, postgres

LEFT_OUT = ("tollhouse.db.migrations.", "tollhouse.__main__")


def module_names() -> Iterator[str]:
    for found in pkgutil.walk_packages(tollhouse.__path__, "tollhouse."):
        if not found.name.startswith(LEFT_OUT):
            yield found.name


def find_statements() -> dict[str, Statement[Any]]:
    """By module and name; those in a dictionary or a list of the module count as well."""
    found: dict[str, Statement[Any]] = {}
    for module_name in module_names():
        for name, value in vars(importlib.import_module(module_name)).items():
            if isinstance(value, Mapping):
                members = value.items()
            elif isinstance(value, list | tuple):
                members = enumerate(value)
            else:
                found |= {f"{module_name}.{name}": value} if isinstance(value, Statement) else {}
                continue
            found |= {f"{module_name}.{name}[{key}]": each for key, each in members if isinstance(each, Statement)}
    return {name: statement for name, statement in found.items() if statement is not postgres.NOW}
