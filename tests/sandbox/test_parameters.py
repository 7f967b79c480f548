"""Whatever a form says, it is read as its sender meant it, or refused with an error of Stripe's kind."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode as encode_nested

from tollhouse.sandbox.api import forms
from tollhouse.sandbox.api.parameters import WHOLE, Earlier, check
from tollhouse.sandbox.description import load
from tollhouse.sandbox.errors import StripeError

WORDS = st.text(st.characters(exclude_characters="[]", exclude_categories=("Cs",)), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
# Names of digits alone would be a list again: `{"0": …}` and `[…]` are the same form.
NAMES = WORDS.filter(lambda name: not name.isdecimal())
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=8,
)
FORMS = st.dictionaries(NAMES, VALUES, max_size=4)
POSTS = [each for each in load().operations if each.method == "POST"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "rate": {"type": "number"},
        "live": {"type": "boolean"},
        "kind": {"type": "string", "enum": ["", "a", "b", "c"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "metadata": {
            "anyOf": [
                {"type": "string", "enum": [""]},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        },
        "owner": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string"}, "age": {"type": "integer"}},
            "additionalProperties": False,
        },
    },
}


def encode(params: dict[str, Any]) -> str:
    return urlencode([(name, str(value)) for name, value in encode_nested(params)])


@given(FORMS)
def test_what_the_sdk_encodes_is_decoded(params: dict[str, Any]) -> None:
    assert forms.decode(encode(params)) == params


@given(st.text(max_size=60))
def test_any_text_is_a_form_or_is_refused(text: str) -> None:
    with contextlib.suppress(StripeError):
        assert isinstance(forms.decode(text), dict)


@given(st.lists(st.tuples(st.from_regex(r"[ab\[\]0]{1,12}", fullmatch=True), st.just("1")), max_size=6))
def test_any_brackets_are_a_name_or_are_refused(pairs: list[tuple[str, str]]) -> None:
    with contextlib.suppress(StripeError):
        assert forms.nest(pairs) or not pairs


@pytest.mark.parametrize(
    "text",
    [
        "[a]=1",
        "a[=1",
        "a]=1",
        "a[b=1",
        "a[b]c=1",
        "a[[b]]=1",
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "a[b]=1&a[b][c]=2",
        "a" + "[b]" * 12 + "=1",
        "a=%FF",
        "=1",
        "&".join(f"a{place}=1" for place in range(2_001)),
    ],
)
def test_a_hostile_form_is_refused(text: str) -> None:
    with pytest.raises(StripeError) as refused:
        forms.decode(text)
    assert (refused.value.status, refused.value.fields["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[0][b]=1&a[1][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("a[][b]=1", {"a": [{"b": "1"}]}),
        ("a[b][c]=", {"a": {"b": {"c": ""}}}),
        ("a%5Bb%5D=%C3%A9", {"a": {"b": "é"}}),
        ("a[10]=x&a[9]=y", {"a": ["y", "x"]}),
        ("a[²]=x", {"a": {"²": "x"}}),
    ],
)
def test_a_form_is_read_as_stripes_clients_mean_it(text: str, decoded: Any) -> None:
    assert forms.decode(text) == decoded


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (
            {"name": "x", "count": "-7", "rate": "2.50", "live": "true"},
            {"name": "x", "count": -7, "rate": 2.5, "live": True},
        ),
        ({"name": "", "tags": []}, {"name": "", "tags": []}),
        ({"name": "x", "tags": ""}, {"name": "x", "tags": []}),
        ({"name": "x", "metadata": ""}, {"name": "x", "metadata": ""}),
        ({"name": "x", "metadata": ["a", "b"]}, {"name": "x", "metadata": {"0": "a", "1": "b"}}),
        ({"name": "x", "owner": {"type": "t", "age": "3"}}, {"name": "x", "owner": {"type": "t", "age": 3}}),
        ({"name": "x", "kind": ""}, {"name": "x", "kind": ""}),
    ],
)
def test_values_come_in_their_types(given: Any, read: Any) -> None:
    assert check(SCHEMA, given) == read


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({}, "name", "parameter_missing"),
        ({"name": "x", "other": "y"}, "other", "parameter_unknown"),
        ({"name": ["x"]}, "name", None),
        ({"name": {"a": "b"}}, "name", None),
        ({"name": "x" * 5001}, "name", "parameter_invalid_string_length"),
        ({"name": "a\0b"}, "name", "parameter_invalid_string_length"),
        ({"name": "x", "count": "1.0"}, "count", "parameter_invalid_integer"),
        ({"name": "x", "count": "٣"}, "count", "parameter_invalid_integer"),
        ({"name": "x", "count": "9" * 19}, "count", "parameter_invalid_integer"),
        ({"name": "x", "count": "1\n"}, "count", "parameter_invalid_integer"),
        ({"name": "x", "rate": "NaN"}, "rate", None),
        ({"name": "x", "live": "True"}, "live", None),
        ({"name": "x", "kind": "d"}, "kind", None),
        ({"name": "x", "tags": "a"}, "tags", None),
        ({"name": "x", "tags": {"a": "b"}}, "tags", None),
        ({"name": "x", "tags": [["a"]]}, "tags[0]", None),
        ({"name": "x", "metadata": {"a": {"b": "c"}}}, "metadata[a]", None),
        ({"name": "x", "owner": {"age": "3"}}, "owner[type]", "parameter_missing"),
        ({"name": "x", "owner": {"type": "t", "size": "3"}}, "owner[size]", "parameter_unknown"),
        ({"name": "x", "owner": "t"}, "owner", None),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(given: Any, param: str, code: str | None) -> None:
    with pytest.raises(StripeError) as refused:
        check(SCHEMA, given)
    assert (refused.value.status, refused.value.fields["param"], refused.value.fields.get("code")) == (400, param, code)


def test_a_parameter_of_an_earlier_version_may_stand_for_one_that_is_missing() -> None:
    tolerated = {"title": Earlier(replaces="name"), "size": Earlier(WHOLE)}
    assert check(SCHEMA, {"title": "x"}, tolerated=tolerated) == {"title": "x"}
    for params in ({}, {"size": "1"}):
        with pytest.raises(StripeError, match="Missing required param: name"):
            check(SCHEMA, params, tolerated=tolerated)


@pytest.mark.parametrize("params", [{"title": ["x"]}, {"title": "x", "size": "x"}])
def test_a_parameter_of_an_earlier_version_has_its_type(params: dict[str, Any]) -> None:
    with pytest.raises(StripeError, match="Invalid"):
        check(SCHEMA, params, tolerated={"title": Earlier(replaces="name"), "size": Earlier(WHOLE)})


@given(st.sampled_from(POSTS), FORMS)
def test_no_form_breaks_any_operations_check(operation: Any, params: dict[str, Any]) -> None:
    names = list(operation.parameters.get("properties", {})) or ["a"]
    renamed = {names[place % len(names)]: value for place, value in enumerate(params.values())}
    with contextlib.suppress(StripeError):
        checked = check(operation.parameters, forms.decode(encode(renamed)))
        assert checked.keys() == renamed.keys()


@given(WORDS)
def test_an_unknown_name_is_told_as_it_was_sent(name: str) -> None:
    with pytest.raises(StripeError) as refused:
        check(SCHEMA, forms.decode(f"name=x&{quote(name)}x=1"))
    assert refused.value.fields["param"] == name + "x"
