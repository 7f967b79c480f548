"""Recorded exchanges with the real Stripe, played to the sandbox: ids are put in the place of ids as they come up."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.description import Description, Schema, load
from tollhouse.sandbox.state.world import HIDDEN

ID: Final = re.compile(
    r"\b(?:acct|bpc|ch|cs_test|cus|di|ii|il|in|inpay|pi|pm|price|prod|py|re|seti|si|sub|txn)_[A-Za-z0-9]{13,}\b"
)
ADDED: Final = " is not in the recording"
# What an account is offered depends on its settings and its country.
OF_THE_ACCOUNT: Final = ("payment_method_types", "payment_method_options")
SCRUBBED: Final = re.compile(r"(client|confirmation)_<PADDLE_API_KEY>")
# Of what the sandbox does not play: other accounts, credit notes, transfers between accounts.
OUT_OF_SCOPE: Final = re.compile(
    r"/v1/(accounts|credit_notes|transfers)|transfer_data|application_fee|on_behalf_of|_connect"
)
# Values that do not depend on the account, the time or chance.
VALUES: Final = frozenset({
    "amount", "amount_due", "amount_paid", "amount_remaining", "billing_reason", "billing_scheme", "brand",
    "cancel_at_period_end", "capture_method", "collection_method", "currency", "discountable", "funding", "interval",
    "last4", "livemode", "mode", "object", "paid", "payment_status", "percent_off", "proration", "quantity", "refunded",
    "status", "subtotal", "total", "type", "unit_amount",
})  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """A request, and what Stripe replied."""

    cassette: str
    method: str
    path: str
    query: str
    form: str
    version: str
    status: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return f"{self.cassette} {self.path} {self.query} {self.form}"


@dataclass
class Replay:
    """What came of it: how much was compared, what was not and why, and where the sandbox departs."""

    compared: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)  # fields that Stripe has added since the recording
    breaks: list[str] = field(default_factory=list)


def read_exchanges(path: Path) -> list[Exchange]:
    """Return all recorded exchanges, with the names that scrubbing took apart put together again."""
    exchanges: list[Exchange] = []
    for line in path.read_text().splitlines():
        row = json.loads(SCRUBBED.sub(r"\1_secret", line))
        version = row["request_stripe_version"]
        told = (row["cassette"], row["method"], row["path"], row["query"], row["request_body"], version)
        exchanges.append(Exchange(*told, row["status"], row["body"]))
    return exchanges


async def replay(exchanges: Iterable[Exchange], sandbox: Sandbox) -> Replay:
    """Play the exchanges one after the other, and compare status, error, keys and what values can be compared."""
    exchanges = list(exchanges)
    known = _seed(sandbox, exchanges)
    result = Replay()
    async with sandbox.client() as client:
        for each in exchanges:
            if not OUT_OF_SCOPE.search(each.text):
                await _presume(client, each, known)
            reason = _reason_to_skip(each, known)
            if reason is not None:
                result.skipped[reason] += 1
                continue
            reply = await client.send(_request(client, each, known))
            result.compared += 1
            _compare_reply(each, reply, result)
            if reply.status_code == each.status == 200:
                known |= dict(_pair_ids(each.body, reply.json()))
    return result


def _seed(sandbox: Sandbox, exchanges: list[Exchange]) -> dict[str, str]:
    """Create the prices, products and coupons that recordings take for granted; return what ids they have."""
    known: dict[str, str] = {}
    world = sandbox.world
    with world.store.transaction():
        for obj in _objects(each.body for each in exchanges):
            for price in filter(None, (_price_of(obj),)):
                if price["id"] not in known:
                    world.save(world.new("price", **price) | {HIDDEN: {"currency_options": {}}})
                    world.save(world.new("product", id=price["product"], name="Recorded", active=True))
                    known |= {id: id for id in (price["id"], price["product"])}
            if obj["object"] == "coupon":
                fields = {name: obj[name] for name in obj if name != "object"}
                world.save(world.new("coupon", **fields) | {HIDDEN: {"currency_options": {}}})
                known[obj["id"]] = obj["id"]
    return known


def _price_of(obj: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a recorded price: its own, or what a line tells of it."""
    if obj["object"] == "price":
        return {name: obj[name] for name in obj if name != "object"}
    pricing = obj.get("pricing") if obj["object"] == "line_item" else None
    if not pricing or obj["parent"]["type"] == "subscription_item_details":
        return None
    told = {"id": pricing["price_details"]["price"], "product": pricing["price_details"]["product"]}
    exact = pricing["unit_amount_decimal"]
    amounts = {"unit_amount": int(exact), "unit_amount_decimal": exact, "billing_scheme": "per_unit"}
    return {**told, **amounts, "active": True, "currency": obj["currency"], "type": "one_time"}


async def _presume(client: httpx.AsyncClient, each: Exchange, known: dict[str, str]) -> None:
    """Create the customers, and the cards they have, that a recording begins with."""
    if each.status == 404 and ID.search(each.path):
        return
    for id in ID.findall(f"{each.path} {each.form}"):
        if id.startswith("cus_") and id not in known:
            made = await client.post("/v1/customers", data={"email": "stripe@example.org"})
            known[id] = made.json()["id"]
    for id in ID.findall(each.form):
        if id.startswith("pm_") and id not in known:
            (customer,) = (known[found] for found in ID.findall(each.path) if found.startswith("cus_"))
            made = await client.post("/v1/payment_methods/pm_card_visa/attach", data={"customer": customer})
            known[id] = made.json()["id"]


def _objects(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield every object in recorded bodies."""
    for value in values:
        if isinstance(value, dict):
            if "object" in value and "id" in value:
                yield value
            yield from _objects(value.values())
        elif isinstance(value, list):
            yield from _objects(value)


def _reason_to_skip(each: Exchange, known: dict[str, str]) -> str | None:
    if OUT_OF_SCOPE.search(each.text):
        return "not played: other accounts, credit notes, transfers"
    named = ID.findall(f"{each.query} {each.form}") + (ID.findall(each.path) if each.status != 404 else [])
    if not set(named) <= known.keys():
        return "of something that was made before the recording began"
    return None


def _request(client: httpx.AsyncClient, each: Exchange, known: dict[str, str]) -> httpx.Request:
    def rename(text: str) -> str:
        return ID.sub(lambda found: known.get(found[0], found[0]), text)

    headers = {"stripe-version": each.version}
    if each.form:
        headers["content-type"] = "application/x-www-form-urlencoded"
    url = rename(each.path) + ("?" + rename(each.query) if each.query else "")
    return client.build_request(each.method, url, content=rename(each.form), headers=headers)


def _pair_ids(recorded: Any, ours: Any) -> Iterator[tuple[str, str]]:
    """Yield the recorded ids with those that stand at the same place in our reply."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in recorded.keys() & ours.keys():
            yield from _pair_ids(recorded[name], ours[name])
    elif isinstance(recorded, list) and isinstance(ours, list):
        for one, other in zip(recorded, ours, strict=False):
            yield from _pair_ids(one, other)
    elif isinstance(recorded, str) and isinstance(ours, str) and ID.fullmatch(recorded) and ID.fullmatch(ours):
        yield recorded, ours


def _compare_reply(each: Exchange, reply: httpx.Response, result: Replay) -> None:
    body = reply.json()
    at = f"{each.cassette}: {each.method} {each.path}"
    if reply.status_code != each.status:
        result.breaks.append(f"{at} gave {reply.status_code} {body.get('error', {}).get('message')}, not {each.status}")
        return
    if each.status >= 400:
        for name in ("type", "code", "param", "decline_code"):
            mine, theirs = body["error"].get(name), each.body["error"].get(name)
            if (mine or None) != (theirs or None):
                result.breaks.append(f"{at}: error.{name} is {mine!r}, not {theirs!r}")
        return
    for line in _compare(each.body, body, each.body.get("object", "")):
        (result.added if line.endswith(ADDED) else result.drift)[line] += 1


def _compare(theirs: Any, mine: Any, place: str) -> Iterator[str]:
    """Yield where the keys differ, or a value that should not."""
    if isinstance(theirs, list) and isinstance(mine, list):
        if len(theirs) != len(mine) and not place.endswith(OF_THE_ACCOUNT):
            yield f"{place} has {len(mine)} entries, not {len(theirs)}"
        for one, other in zip(theirs, mine, strict=False):
            yield from _compare(one, other, place + "[]")
    if not isinstance(theirs, dict) or not isinstance(mine, dict):
        return
    kind = theirs.get("object")
    place = kind if isinstance(kind, str) and kind not in {"", "list"} else place
    if place.rpartition(".")[2] == "metadata":
        return
    if not place.endswith(OF_THE_ACCOUNT):
        yield from (f"{place}.{name} is missing" for name in theirs.keys() - mine.keys())
        yield from (f"{place}.{name}{ADDED}" for name in mine.keys() - theirs.keys())
    for name in sorted(theirs.keys() & mine.keys()):
        if name in VALUES and not isinstance(theirs[name], dict | list) and theirs[name] != mine[name]:
            yield f"{place}.{name} is {mine[name]!r}, not {theirs[name]!r}"
        yield from _compare(theirs[name], mine[name], f"{place}.{name}")


def is_described(line: str) -> bool:
    """Say whether a field that no recording has is one that Stripe describes: it was added since."""
    description = load()
    place = line.removesuffix(ADDED)
    kind = max((each for each in description.schemas if place.startswith(each + ".")), key=len)
    schemas = [description.schemas[kind]]
    for name in place.removeprefix(kind + ".").replace("[]", ".[]").split("."):
        schemas = [found for each in schemas for found in _parts(description, each, name)]
    return bool(schemas)


def _parts(description: Description, schema: Schema, name: str) -> list[Schema]:
    """Return what may stand at a name, or for `[]` in an array."""
    schema = description.resolve(schema)
    if "anyOf" in schema:
        return [found for each in schema["anyOf"] for found in _parts(description, each, name)]
    inner = schema.get("items") if name == "[]" else schema.get("properties", {}).get(name)
    return [] if inner is None else [inner]
