"""Random numbers by counter: equal to NumPy's Philox, and the same in any chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab.core import InputError, KindError
from quantlab.core import _rng_kernels as kernels
from quantlab.core.rng import generator, resolve_seed, uniforms

words = st.integers(0, 2**64 - 1)
seeds = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Known answers of the Random123 library (kat_vectors, philox4x64 10): counter 0 with key 0.
        (2**64 - 1, 0, ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"]),
    ],
)
def test_known_answers(counter: int, key: int, expected: list[str]) -> None:
    # The block is made from counter + 1, as NumPy does; 2**64 - 1 wraps to the published counter 0.
    out = np.empty(4, dtype=np.uint64)
    kernels.philox(np.uint64(counter), np.uint64(key), np.uint64(key), out)
    assert [f"{word:016x}" for word in out.tolist()] == expected


@given(words, words)
def test_high_half_of_a_product(a: int, b: int) -> None:
    expected = (a * b) >> 64
    assert int(kernels.multiply_high(np.uint64(a), np.uint64(b))) == expected
    with np.errstate(over="ignore"):
        assert int(kernels.multiply_high.py_func(np.uint64(a), np.uint64(b))) == expected


@given(st.integers(0, 2**62), words, words)
def test_blocks_equal_numpy_and_original(counter: int, key0: int, key1: int) -> None:
    jitted, original = np.empty(4, dtype=np.uint64), np.empty(4, dtype=np.uint64)
    arguments = (np.uint64(counter), np.uint64(key0), np.uint64(key1))
    kernels.philox(*arguments, jitted)
    with np.errstate(over="ignore"):
        kernels.philox.py_func(*arguments, original)
    bits = np.random.Philox(key=np.array([key0, key1], dtype=np.uint64))
    bits.advance(counter)
    np.testing.assert_array_equal(jitted, original)
    np.testing.assert_array_equal(jitted, bits.random_raw(4))


@given(seeds, seeds, st.integers(1, 40))
def test_uniforms_equal_numpy(seed: int, replicate: int, size: int) -> None:
    expected = np.random.Generator(np.random.Philox(key=np.array([seed, replicate], dtype=np.uint64))).random(size)
    np.testing.assert_array_equal(uniforms(seed, replicate, size), expected)
    np.testing.assert_array_equal(generator(seed, replicate).random(size), expected)


def test_uniforms_jitted_equal_original() -> None:
    out = np.empty(11)
    with np.errstate(over="ignore"):
        kernels.uniforms.py_func(np.uint64(7), np.uint64(3), 2, out)
    np.testing.assert_array_equal(out, uniforms(7, 3, 11, start=2))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2**40))
def test_chunks_of_any_size_make_the_same_stream(chunks: list[int], start: int) -> None:
    whole = uniforms(5, 1, sum(chunks), start=start)
    parts, place = [], start
    for size in chunks:
        parts.append(uniforms(5, 1, size, start=place))
        place += size
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert ((whole >= 0.0) & (whole < 1.0)).all()


def test_streams_differ_by_seed_and_by_replicate() -> None:
    first = {float(uniforms(seed, replicate, 1)[0]) for seed in range(30) for replicate in range(30)}
    assert len(first) == 900


def test_uniforms_are_uniform() -> None:
    # Kolmogorov-Smirnov at n = 100,000: 1.63 / sqrt(n) is the 1 % point; the seed is fixed, so this never flickers.
    values = np.sort(uniforms(11, 0, 100_000))
    gap = np.abs(values - np.arange(0.5, 100_000.5) / 100_000).max()
    assert gap < 1.63 / np.sqrt(100_000)


def test_seeds_resolve() -> None:
    assert resolve_seed(7) == resolve_seed(np.int64(7)) == 7
    assert resolve_seed(2**63 - 1) == 2**63 - 1
    drawn = np.random.default_rng(1)
    one, two = resolve_seed(drawn), resolve_seed(drawn)
    assert one != two
    assert one == resolve_seed(np.random.default_rng(1))
    fresh = {resolve_seed(None) for _ in range(20)}
    assert len(fresh) == 20
    assert all(0 <= seed < 2**63 for seed in (one, two, *fresh))


def test_wrong_seeds_are_refused() -> None:
    for wrong in (-1, 2**63):
        with pytest.raises(InputError, match=r"^`seed` must lie in \[0, 2\*\*63\), received "):
            resolve_seed(wrong)
    for wrong in (1.0, True, "7", np.random.RandomState(1)):
        with pytest.raises(KindError, match=r"^`seed` must be an integer, a numpy Generator or None, received "):
            resolve_seed(wrong)


def test_the_global_state_of_numpy_is_left_alone() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    uniforms(1, 2, 10)
    generator(1, 2).random(3)
    resolve_seed(None)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
