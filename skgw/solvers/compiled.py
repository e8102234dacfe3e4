"""What the modules compiled by numba share.

numba keeps compiled code in a cache, and looks at the date of a function's own file alone, though
the code of all that it calls, and the constants, are part of it: after a change of any of these
modules, or of a constant they import, touch all of `_*_numba.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

Array = NDArray[Any]
Scalar = np.floating[Any]

FAR_BELOW = -1e30  # instead of log 0, as compiled code must not meet an infinity
LOG2_E = 1.4426950408889634

compiled = functools.partial(njit, cache=True, nogil=True, error_model="numpy")


class Weights(NamedTuple):
    """The marginals of one problem."""

    a: Array  # (n,)
    b: Array  # (m,)
    log_b: Array  # (m,), `FAR_BELOW` where there is no weight


class Exp2(NamedTuple):
    """What it takes to evaluate 2**x."""

    series: tuple[Scalar, ...]  # coefficients of 2**x on [-.5, .5], highest first
    bias: np.integer[Any]  # of the exponent's bits ...
    position: np.integer[Any]  # ... and where they are
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
    """For one problem with the column weights `b` (m,)."""
    series, bias, position, integer = _EXP2[b.dtype]
    return Exp2(series, integer(bias), integer(position), np.empty(len(b), integer))


def log_weights(b: Array) -> Array:
    """log b, or `FAR_BELOW` where there is no weight."""
    return np.log(b, where=b > 0, out=np.full_like(b, FAR_BELOW))


def each(solve: Callable[[int], None], n_problems: int) -> None:
    """Call `solve` for every problem of a batch, on as many threads as torch may use."""
    n_threads = min(torch.get_num_threads(), n_problems)
    if n_threads == 1:
        for k in range(n_problems):
            solve(k)
    else:
        with ThreadPoolExecutor(n_threads) as pool:  # the compiled code holds no lock
            list(pool.map(solve, range(n_problems)))
