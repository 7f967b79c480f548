"""Whether the sandbox answers all that its description promises."""

from __future__ import annotations

from tollhouse.sandbox.description import load
from tollhouse.sandbox.resources import registry


def test_every_operation_of_the_description_is_answered() -> None:
    registry.load()
    missing = [
        f"{each.method} {each.path}"
        for each in load().operations
        if registry.find_handler(each.method, each.path) is None
    ]
    assert missing == []


def test_nothing_is_answered_that_nobody_can_reach() -> None:
    registry.load()
    described = {(each.method, each.path) for each in load().operations}
    unreached = [
        f"{method} {path}"
        for method, path in registry.handlers()
        if (method, path) not in described
        and registry.find_undescribed(method, path.replace("{", "").replace("}", "")) is None
    ]
    assert unreached == []
