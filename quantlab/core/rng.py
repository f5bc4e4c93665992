"""Randomness by counter: the numbers of replicate ``r`` under seed ``s`` depend on ``(s, r)`` and on nothing else.

So a resample has the same bytes for one thread or eight, in any chunk size, local or remote, fresh or resumed.
Nothing in quantlab touches NumPy's global state.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import _rng_kernels as kernels
from quantlab.core._errors import InputError, KindError

__all__ = ["generator", "resolve_seed", "uniforms"]


def resolve_seed(seed: int | np.random.Generator | None) -> int:
    """Return the seed as an integer in [0, 2**63): the given one, one drawn from a generator, or a fresh one from the
    system.

    Parameters
    ----------
    seed : int | numpy.random.Generator | None
        An integer is used as it is. A generator gives one draw, so two calls with it differ. None asks the operating
        system.

    Returns
    -------
    int
        To be stored with the result, so that any run can be repeated.

    Raises
    ------
    InputError
        When an integer lies outside [0, 2**63).
    KindError
        For any other type.

    Examples
    --------
    >>> resolve_seed(7)
    7
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(0, 2**63 - 1))
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise KindError(f"`seed` must be an integer, a numpy Generator or None, received {type(seed).__name__}.")
    if not 0 <= int(seed) < 2**63:
        raise InputError(f"`seed` must lie in [0, 2**63), received {int(seed)}.")
    return int(seed)


def generator(seed: int, replicate: int = 0) -> np.random.Generator:
    """Return a NumPy generator whose stream is fixed by (seed, replicate).

    Parameters
    ----------
    seed : int in [0, 2**63)
    replicate : int >= 0

    Returns
    -------
    numpy.random.Generator
        On the Philox 4x64 bit generator of Salmon et al. (2011), DOI 10.1145/2063384.2063405.

    Examples
    --------
    >>> float(generator(7, 3).random()) == float(uniforms(7, 3, 1)[0])
    True
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, replicate], dtype=np.uint64)))


def uniforms(seed: int, replicate: int, size: int, *, start: int = 0) -> np.ndarray:
    """Return ``size`` uniforms on [0, 1), shape (size,), of stream (seed, replicate), from word ``start`` on.

    Examples
    --------
    >>> bool((uniforms(7, 3, 10)[4:] == uniforms(7, 3, 6, start=4)).all())
    True
    """
    out = np.empty(size, dtype=np.float64)
    kernels.uniforms(np.uint64(seed), np.uint64(replicate), start, out)
    return out
