"""What is sealed opens with its key, in its place, unchanged, or not at all."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.signing.sealing import SealBroken, derive_key, open_sealed, seal

KEY = secrets.token_bytes(32)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_is_sealed_can_be_opened(plain: bytes, context: str):
    assert open_sealed(KEY, seal(KEY, plain, context=context), context=context) == plain


@given(st.text(min_size=1, max_size=40))
def test_another_context_does_not_open_it(context: str):
    sealed = seal(KEY, b"alice@example.com", context="")
    with pytest.raises(SealBroken):
        open_sealed(KEY, sealed, context=context)


def test_another_key_does_not_open_it():
    sealed = seal(KEY, b"alice@example.com", context="mgl_1")
    with pytest.raises(SealBroken):
        open_sealed(secrets.token_bytes(32), sealed, context="mgl_1")


def test_no_flipped_bit_goes_unnoticed():
    sealed = seal(KEY, b"alice@example.com", context="mgl_1")
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            with pytest.raises(SealBroken):
                open_sealed(KEY, bytes(changed), context="mgl_1")


@pytest.mark.parametrize("length", range(30))
def test_what_is_cut_short_does_not_open(length: int):
    sealed = seal(KEY, b"alice@example.com", context="mgl_1")
    with pytest.raises(SealBroken):
        open_sealed(KEY, sealed[:length], context="mgl_1")


def test_what_is_longer_does_not_open():
    with pytest.raises(SealBroken):
        open_sealed(KEY, seal(KEY, b"a", context="x") + b"\0", context="x")


def test_the_same_text_never_looks_the_same():
    assert len({seal(KEY, b"alice@example.com", context="x") for _ in range(100)}) == 100


def test_each_purpose_has_a_key_of_its_own():
    keys = {derive_key(secret, purpose) for secret in (KEY, bytes(32)) for purpose in ("one", "two", "one two", "")}
    assert len(keys) == 8
    assert {len(key) for key in keys} == {32}
    assert derive_key(KEY, "one") == derive_key(KEY, "one")


def test_a_broken_seal_tells_nothing_of_what_it_holds():
    with pytest.raises(SealBroken) as caught:
        open_sealed(KEY, seal(KEY, b"alice@example.com", context="x"), context="y")
    assert "alice" not in f"{caught.value} {caught.value.detail} {caught.value.evidence}"
