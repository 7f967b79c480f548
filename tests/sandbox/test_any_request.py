"""Requests made up from the description: whatever is sent, the reply is one that the description knows."""

from __future__ import annotations

import asyncio
import copy
import random
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.conftest import DEEP
from tests.sandbox.conftest import START
from tests.sandbox.sdk.scenario import Sdk, play
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.description import load
from tollhouse.sandbox.resources import registry
from tollhouse.sandbox.state.timers import read_failed
from tollhouse.testing import stripe_client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    import schemathesis

DESCRIPTION = load()
SCHEMA = schemathesis.openapi.from_dict(copy.deepcopy(DESCRIPTION.document))


def label_operations() -> Iterator[tuple[str, Any]]:
    for found in SCHEMA.get_all_operations():
        operation: Any = found.ok()  # pyright: ignore[reportAttributeAccessIssue]  (or this raises, and nothing is tested)
        yield operation.label, operation


OPERATIONS: dict[str, Any] = dict(label_operations())
ERROR = jsonschema_rs.Draft202012Validator(
    {"$ref": "#/components/schemas/error", "components": DESCRIPTION.document["components"]}
)
EXAMPLES = 50 if DEEP else 4
STATUSES = {200, 400, 402, 404, 409, 429}

pytestmark = pytest.mark.slow


class Populated:
    """A sandbox in which much has happened, and the ids of it by kind."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._sandbox = Sandbox(seed=1, start=START, check_replies=True)
        self._client = self._sandbox.client()
        self._runner.run(play(Sdk(stripe_client(self._sandbox), is_async=True)))
        rows = self._sandbox.world.store.execute("SELECT kind, id FROM objects ORDER BY seq")
        self.ids: dict[str, list[str]] = {}
        for kind, id in rows:
            self.ids.setdefault(kind, []).append(id)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def send(
        self, method: str, path: str, parameters: dict[str, Any], *, version: str | None = DESCRIPTION.version
    ) -> httpx.Response:
        encoded = urlencode(list(flatten(parameters)))
        options: dict[str, Any] = {"content": encoded} if method == "POST" else {"params": encoded}
        headers = {} if version is None else {"stripe-version": version}
        return self._runner.run(self._client.request(method, path, headers=headers, **options))

    def advance(self, seconds: int) -> list[dict[str, Any]]:
        """Let time go by; return what it should have brought and could not."""
        self._sandbox.advance(seconds)
        return read_failed(self._sandbox.world)


@pytest.fixture(scope="module")
def populated() -> Iterator[Populated]:
    populated = Populated()
    yield populated
    populated.close()


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Name nested values as Stripe's clients do."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from flatten(each, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from flatten(each, f"{name}[{place}]")
    elif isinstance(value, bool):
        yield name, str(value).lower()
    else:
        yield name, "" if value is None else str(value)


def with_known_ids(value: Any, ids: dict[str, list[str]], choose: random.Random, name: str = "") -> Any:
    """Put ids of what exists where a parameter is named after a kind; otherwise nearly all would be refused at once."""
    if isinstance(value, dict):
        return {key: with_known_ids(each, ids, choose, key) for key, each in value.items()}
    if isinstance(value, list):
        return [with_known_ids(each, ids, choose, name) for each in value]
    known = ids.get(name.removeprefix("default_").removeprefix("entitlement_"), ())
    return choose.choice(known) if isinstance(value, str) and known and choose.random() < 0.8 else value


def kind_of(label: str) -> str:
    """The kind an operation's path is about, as the description of its list or its retrieval names it."""
    path = label.partition(" ")[2]
    collection = path.partition("/{")[0]
    found = DESCRIPTION.find("GET", collection + "/x")
    schema = found[0].result if found else {}
    names = [each.get("$ref", "") for each in schema.get("anyOf", [schema])]
    return names[0].rpartition("/")[2]


@pytest.mark.parametrize("label", OPERATIONS)
def test_a_reply_is_one_that_the_description_knows(label: str, populated: Populated) -> None:
    operation = OPERATIONS[label]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        derandomize=not DEEP,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    def send(case: Any) -> None:
        choose = random.Random(repr(case.body) + repr(case.query) + label)
        names = dict(case.path_parameters or {})
        known = populated.ids.get(kind_of(label), ())
        for name in names:
            if known and choose.random() < 0.8:
                names[name] = choose.choice(known)
        path = operation.path
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe="") or "x")
        given_body = case.body if isinstance(case.body, dict) else {}
        parameters = with_known_ids({**given_body, **(case.query or {})}, populated.ids, choose)
        reply = populated.send(operation.method.upper(), path, parameters)
        assert reply.status_code in STATUSES, reply.text
        if reply.status_code != 200:
            ERROR.validate(reply.json())

    send()


# What may come in the place of a value.
SHAPES: list[Any] = [
    "", "x", "now", "tok_visa", "-1", "9" * 26, "NaN", "1e400", "\0", ["x"], [["x"]], {"a": "x"}, [{"a": "x"}],
    {"object": "card", "number": "²", "exp_month": "x"}, {"card": {"token": "x"}},
]  # fmt: skip
registry.load()
TYPED = {label: known for label, known in registry.known_parameters().items() if known}


@pytest.mark.parametrize("label", TYPED)
def test_a_parameter_that_no_description_has_breaks_nothing(label: tuple[str, str], populated: Populated) -> None:
    method, template = label
    found = DESCRIPTION.find(method, template)
    required = found[0].parameters.get("required", ()) if found else ()
    usual = {"amount": "500", "currency": "usd", "name": "x", "subscription": populated.ids["subscription"][0]}
    sound = {name: usual[name] for name in required if name in usual} | {"customer": populated.ids["customer"][0]}
    known = populated.ids.get(kind_of(f"{method} {template}"), ["x"])
    for name in TYPED[label]:
        for place, shape in enumerate(SHAPES):
            parameters = (sound if place % 2 else {}) | {name: shape}
            path = template.replace("{id}", known[place % len(known)])
            reply = populated.send(method, path, parameters, version=None)
            assert reply.status_code in STATUSES, (parameters, reply.text)


def test_whatever_was_sent_time_goes_on(populated: Populated) -> None:
    failed = populated.advance(40 * 86_400)
    assert failed == []
    assert populated.send("GET", "/v1/customers", {}).status_code == 200
