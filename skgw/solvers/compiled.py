"""Common parts of the modules that numba compiles.

numba caches compiled code by the date of a function's own file. The code of functions that it calls
and the values of module constants are part of the cached code: after a change of one of these
modules, touch all `*_numba.py`. Settings are arguments, and may change at any time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial

from skgw.solvers.inputs import NumpyArray as Array
from skgw.solvers.subnormals import smallest_entry
from skgw.threads import each_on_a_thread

Scalar = np.floating[Any]

LOG_ZERO = -1e30  # in place of log 0: with fastmath, infinities are undefined
LOG2_E = 1.4426950408889634

compiled = functools.partial(njit, cache=True, nogil=True, error_model="numpy")
# For a function that controls others: LLVM optimises it anew in each function that calls it, with
# all that it calls. As a part of its caller it is compiled once.
inlined = functools.partial(compiled, inline="always")


class Weights(NamedTuple):
    """The marginals of one problem."""

    a: Array  # (n,)
    b: Array  # (m,)
    log_b: Array  # (m,), `LOG_ZERO` for points without weight


class Exp2(NamedTuple):
    """Constants and workspace of an evaluation of 2**x."""

    lowest: Scalar  # the least x whose 2**x is not zero, see `subnormals`
    series: tuple[Scalar, ...]  # coefficients of 2**x on [-.5, .5], highest first
    bias: np.integer[Any]  # of the exponent
    position: np.integer[Any]  # of the first bit of the exponent
    bits: Array  # (m,), workspace: integers of the size of the floating point type


def _exp2_series(degree: int, dtype: Any) -> Any:
    series = Chebyshev.interpolate(np.exp2, degree, domain=[-0.5, 0.5])
    return tuple(series.convert(kind=Polynomial, domain=[-1, 1]).coef[::-1].astype(dtype))


# By dtype: the series, the bias of the exponent's bits, their position, and integers of that size.
_EXP2: dict[Any, tuple[tuple[Scalar, ...], int, int, Any]] = {
    np.dtype(np.float32): (_exp2_series(6, np.float32), 127, 23, np.int32),
    np.dtype(np.float64): (_exp2_series(12, np.float64), 1023, 52, np.int64),
}


def exp2_for(b: Array) -> Exp2:
    """An `Exp2` for a problem with the column weights `b` (m,)."""
    series, bias, position, integer = _EXP2[b.dtype]
    lowest = b.dtype.type(np.log2(smallest_entry(b.dtype)))
    return Exp2(lowest, series, integer(bias), integer(position), np.empty(len(b), integer))


def log_weights(b: Array) -> Array:
    """log b; `LOG_ZERO` for points without weight."""
    return np.log(b, where=b > 0, out=np.full_like(b, LOG_ZERO))


def solve_each(solve: Callable[[int], None], n_problems: int) -> None:
    """Call `solve` for each problem of a batch; compiled code releases the interpreter lock."""
    for _ in each_on_a_thread(solve, range(n_problems)):
        pass
