"""Facts from Stripe's objects, of every version there are recordings of, and never a guess."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.testdata import require_testdata
from tollhouse.billing import readers
from tollhouse.billing.errors import Unreadable
from tollhouse.billing.facts import InvoiceLine
from tollhouse.billing.reading import Raw
from tollhouse.clock import SECOND

Reader = Callable[[Any], Any]
READERS: dict[str, Reader] = {
    "event": readers.read_event,
    "checkout.session": readers.read_session,
    "invoice": readers.read_invoice,
    "subscription": readers.read_subscription,
    "refund": readers.read_refund,
    "dispute": readers.read_dispute,
    "price": readers.read_price,
}
# Sketches of somebody's own, and what has no id yet by its nature.
UNREADABLE = {
    "004_charge.dispute.closed_unversioned": "dispute.id",
    "052_customer.subscription.trial_will_end_unversioned": "subscription.created",
    "074_invoice.upcoming_2025-03-31.basil": "invoice.id",
}
FILES = sorted(require_testdata("stripe", "events").glob("[0-9]*.json"))
RECORDED = require_testdata("stripe", "recorded.jsonl")
AT = 1_700_000_000


def find_objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("object") in READERS and "id" in value and not value.get("deleted"):
            yield value
        for inner in value.values():
            yield from find_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from find_objects(inner)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_recorded_event_is_read_whatever_its_version(path: Any) -> None:
    event = readers.read_event(json.loads(path.read_text()))
    reader = READERS.get(str(event.data.get("object")))
    if path.stem in UNREADABLE:
        assert reader is not None
        with pytest.raises(Unreadable) as caught:
            reader(event.data)
        assert caught.value.evidence["field"] == UNREADABLE[path.stem]
    elif reader is not None:
        assert reader(event.data).id == event.object_id


def test_each_recorded_object_is_read() -> None:
    found = 0
    for line in RECORDED.read_text().splitlines():
        for each in find_objects(json.loads(line)["body"]):
            assert READERS[each["object"]](each).id == each["id"]
            found += 1
    assert found > 70


def read_file(number: str) -> Any:
    (path,) = [path for path in FILES if path.stem.startswith(number)]
    return readers.read_event(json.loads(path.read_text()))


def test_a_session_of_today() -> None:
    facts = readers.read_session(read_file("024").data | {"metadata": {"tollhouse_purchase": "pur_1"}})
    assert (facts.mode, facts.status, facts.payment_status) == ("payment", "complete", "paid")
    assert (facts.amount_total_minor, facts.currency, facts.purchase_id) == (1500, "usd", "pur_1")
    assert facts.expires_at == 1_774_992_136 * SECOND
    assert facts.payment_intent_id == "pi_3TGnDERIVED0000000000001"


def test_what_is_expanded_is_read_like_its_id() -> None:
    raw = read_file("024").data
    expanded = raw | {"payment_intent": {"id": raw["payment_intent"], "object": "payment_intent"}}
    assert readers.read_session(expanded) == readers.read_session(raw)


@pytest.mark.parametrize("number", ["048", "045", "056"], ids=["2020", "clover", "dahlia"])
def test_the_period_is_found_on_the_subscription_and_on_its_item(number: str) -> None:
    raw = read_file(number).data
    moved = copy.deepcopy(raw)
    item = moved["items"]["data"][0]
    names = ("current_period_start", "current_period_end")
    periods = {name: item.pop(name, None) or moved.pop(name, None) for name in names}
    for holder in (item, moved):
        holder.update(periods)
        assert readers.read_subscription(moved) == readers.read_subscription(raw)
        for name in names:
            del holder[name]
    with pytest.raises(Unreadable, match="current_period_end"):
        readers.read_subscription(moved)


def test_a_subscription_before_there_were_prices_and_items() -> None:
    raw = read_file("048").data
    expected = readers.read_subscription(raw)
    item = raw["items"]["data"][0]
    oldest = {key: value for key, value in raw.items() if key != "items"}
    assert readers.read_subscription(oldest) == replace(expected, item_id=None)
    del item["price"]
    assert readers.read_subscription(raw) == expected


def test_ending_with_the_period_is_an_end_like_any_other() -> None:
    raw = read_file("045").data
    assert readers.read_subscription(raw).cancel_at is None
    facts = readers.read_subscription(raw | {"cancel_at_period_end": True})
    assert facts.cancel_at == facts.current_period_end
    assert readers.read_subscription(raw | {"cancel_at": AT}).cancel_at == AT * SECOND


def test_what_is_metered_counts_once_and_what_is_not_has_a_quantity() -> None:
    raw = read_file("045").data
    item = raw["items"]["data"][0]
    del item["quantity"], raw["quantity"]
    with pytest.raises(Unreadable, match="quantity"):
        readers.read_subscription(raw)
    item["price"]["recurring"]["usage_type"] = "metered"
    assert readers.read_subscription(raw).quantity == 1


def test_a_subscription_brings_its_newest_invoice_where_it_was_asked_for() -> None:
    raw = read_file("045").data
    assert readers.read_subscription(raw).latest_invoice is None
    invoice = readers.read_subscription(raw | {"latest_invoice": read_file("068").data}).latest_invoice
    assert invoice is not None
    assert invoice.id == "in_1SRzp4KXBGcbgpbZ9xmUJ3df"


def invoice_of_2020() -> dict[str, Any]:
    line = {
        "id": "il_1",
        "object": "line_item",
        "amount": 900,
        "period": {"start": AT, "end": AT + 60},
        "plan": {"id": "price_1", "object": "plan"},
        "price": {"id": "price_1", "object": "price"},
        "proration": False,
        "quantity": 2,
        "subscription": "sub_1",
        "type": "subscription",
        "metadata": {"tollhouse_purchase": "pur_1"},
    }
    return {
        "id": "in_1",
        "object": "invoice",
        "status": "paid",
        "customer": "cus_1",
        "subscription": "sub_1",
        "billing_reason": "subscription_cycle",
        "amount_paid": 900,
        "currency": "eur",
        "payment_intent": "pi_1",
        "lines": {"object": "list", "data": [line], "has_more": False},
        "created": AT,
        "status_transitions": {"paid_at": AT},
        "hosted_invoice_url": "https://invoice.stripe.com/1",
        "number": "A-1",
    }


def invoice_of_today() -> dict[str, Any]:
    old = invoice_of_2020()
    del old["subscription"], old["payment_intent"]
    (line,) = old["lines"]["data"]
    for name in ("plan", "price", "proration", "subscription", "type", "metadata"):
        del line[name]
    details = {"subscription": "sub_1", "subscription_item": "si_1", "proration": False, "invoice_item": None}
    line["parent"] = {"type": "subscription_item_details", "subscription_item_details": details}
    line["pricing"] = {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}}
    subscription = {"subscription": "sub_1", "metadata": {"tollhouse_purchase": "pur_1"}}
    parent = {"type": "subscription_details", "subscription_details": subscription}
    payments = [pay("pi_0", "canceled"), pay("pi_1", "paid")]
    return old | {"parent": parent, "payments": {"object": "list", "data": payments, "has_more": False}}


def pay(payment_intent: str, status: str) -> dict[str, Any]:
    return {"status": status, "payment": {"type": "payment_intent", "payment_intent": payment_intent}}


def test_an_invoice_says_the_same_in_every_version() -> None:
    facts = readers.read_invoice(invoice_of_2020())
    line = InvoiceLine("price_1", 2, 900, is_proration=False, period_start=AT * SECOND, period_end=(AT + 60) * SECOND)
    assert facts.lines == (line,)
    assert (facts.subscription_id, facts.payment_intent_id, facts.purchase_id) == ("sub_1", "pi_1", "pur_1")
    assert (facts.customer_id, facts.amount_paid_minor, facts.paid_at) == ("cus_1", 900, AT * SECOND)
    assert readers.read_invoice(invoice_of_today()) == facts
    without_prices = invoice_of_2020()
    del without_prices["lines"]["data"][0]["price"]
    assert readers.read_invoice(without_prices) == facts


def test_an_invoice_of_2017_has_a_date_and_is_paid_or_not() -> None:
    raw = invoice_of_2020()
    old = {name: value for name, value in raw.items() if name not in ("status", "created", "status_transitions")}
    facts = readers.read_invoice(old | {"date": AT, "paid": True})
    assert facts == replace(readers.read_invoice(raw), paid_at=None)
    with pytest.raises(Unreadable, match="status"):
        readers.read_invoice(old | {"date": AT, "paid": False})


def test_without_its_payments_an_invoice_of_today_names_no_payment() -> None:
    raw = invoice_of_today()
    del raw["payments"]
    assert readers.read_invoice(raw).payment_intent_id is None


def test_a_line_of_no_subscription_is_left_out() -> None:
    raw = invoice_of_today()
    alone = copy.deepcopy(raw["lines"]["data"][0])
    details = {"invoice_item": "ii_1", "proration": False}
    alone["parent"] = {"type": "invoice_item_details", "invoice_item_details": details}
    raw["lines"]["data"].append(alone)
    assert len(readers.read_invoice(raw).lines) == 1
    alone["parent"]["invoice_item_details"] |= {"subscription": "sub_1", "proration": True}
    assert [line.is_proration for line in readers.read_invoice(raw).lines] == [False, True]


def test_more_lines_than_came_are_told() -> None:
    raw = invoice_of_today()
    raw["lines"]["has_more"] = True
    assert readers.read_invoice(raw).has_more_lines


@pytest.mark.parametrize(
    ("status", "stage"),
    [("pending", 0), ("requires_action", 0), ("succeeded", 1), ("failed", 2), ("canceled", 2)],
)
def test_the_stage_of_a_refund(status: str, stage: int) -> None:
    raw = read_file("104").data | {"status": status}
    assert readers.read_refund(raw).stage == stage
    assert readers.read_refund(raw, "refund.failed").stage == 2


TAKEN, GIVEN_BACK = {"amount": -1000}, {"amount": 1000}


@pytest.mark.parametrize(
    ("status", "moved", "event_type", "stage"),
    [
        ("warning_needs_response", [], "charge.dispute.created", 0),
        ("warning_closed", [], "charge.dispute.closed", 0),
        ("needs_response", [], "charge.dispute.created", 0),
        ("needs_response", [TAKEN], "charge.dispute.created", 1),
        ("needs_response", [], "charge.dispute.funds_withdrawn", 1),
        ("under_review", [TAKEN], None, 1),
        ("lost", [TAKEN], None, 1),
        ("lost", [], None, 1),
        ("won", [TAKEN], None, 2),
        ("under_review", [TAKEN, GIVEN_BACK], None, 2),
        ("under_review", [TAKEN], "charge.dispute.funds_reinstated", 2),
        ("prevented", [], None, 0),
    ],
)
def test_the_stage_of_a_dispute(status: str, moved: list[Any], event_type: str | None, stage: int) -> None:
    raw = read_file("006").data | {"status": status, "balance_transactions": moved}
    assert readers.read_dispute(raw, event_type).stage == stage


@pytest.mark.parametrize("number", ["104", "006"])
def test_a_status_that_nobody_knows_is_not_guessed(number: str) -> None:
    event = read_file(number)
    with pytest.raises(Unreadable, match="status"):
        READERS[event.data["object"]](event.data | {"status": "something_new"})


def test_a_thin_event_is_an_event_without_an_effect() -> None:
    raw = {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "type": "v2.core.health.event_generation_failure.resolved",
        "created": "2026-11-01T10:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "obj_1", "type": "x", "url": "/v2/x"},
    }
    event = readers.read_event(raw)
    assert (event.object_id, event.created_at) == ("obj_1", 1_793_527_200 * SECOND)
    with pytest.raises(Unreadable, match="created"):
        readers.read_event(raw | {"created": "yesterday"})


EVENTS = [json.loads(path.read_text()) for path in FILES if path.stem[:3] in {"024", "045", "068", "104", "006", "099"}]
SAMPLES = [*EVENTS, *(event["data"]["object"] for event in EVENTS), invoice_of_2020(), invoice_of_today()]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 2**63, 10**30, 1.5, float("nan"), "", "\0", "\ud800", "x" * 6_000, [], {}, [[]], [None]]),
    st.text(max_size=5),
    st.integers(),
    st.recursive(st.text(max_size=3), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner)),
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def change(raw: Any, path: tuple[Any, ...], value: Any, *, removes: bool) -> None:
    *way, last = path
    for step in way:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change has cut the way off
    if isinstance(raw, dict) and removes:
        raw.pop(last, None)
    elif isinstance(raw, dict) or (isinstance(raw, list) and isinstance(last, int) and last < len(raw)):
        raw[last] = value


@given(data=st.data(), sample=st.sampled_from(SAMPLES))
def test_of_whatever_is_mangled_only_unreadable_comes_out(data: st.DataObject, sample: Any) -> None:
    raw = copy.deepcopy(sample)
    paths = list(paths_of(raw))
    for _ in range(data.draw(st.integers(1, 3))):
        change(raw, data.draw(st.sampled_from(paths)), data.draw(ODD), removes=data.draw(st.booleans()))
    try:
        facts = READERS[sample["object"]](raw)
    except Unreadable:
        return
    check_storable(facts)


def check_storable(facts: Any) -> None:
    """Whatever was read fits the columns of both databases."""
    for name in facts.__dataclass_fields__:
        value = getattr(facts, name)
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
        elif isinstance(value, int):
            assert abs(value) < 2**63


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Raw.amount, -1),
        (Raw.objects, "none"),
        (Raw.objects, [{}] * 1_001),
        (Raw.time, -1),
    ],
)
def test_a_field_beyond_what_it_can_be_is_named(read: Callable[[Raw, str], Any], value: object) -> None:
    with pytest.raises(Unreadable, match=r"thing\.field"):
        read(Raw.of("thing", {"field": value}), "field")


def test_a_subscription_without_items_or_plan_cannot_be_read() -> None:
    with pytest.raises(Unreadable, match="items"):
        readers.read_subscription({"id": "sub_1", "items": {"data": []}, "customer": "cus_1", "status": "active"})
