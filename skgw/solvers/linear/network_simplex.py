"""Linear transport without regularisation, by the network simplex of POT.

References
----------
.. [1] :cite:t:`bonneel2011`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_PIVOTS = 10**8  # 1,000 points a side take 10**4 to 3 * 10**4

Floats = NDArray[np.float64]


class Vertex(NamedTuple):
    """An optimal plan that is a vertex of the couplings, with at most n + m - 1 positive entries.

    The potentials satisfy ``row[i] + column[j] <= cost[i, j]``, with equality where the plan is
    positive.
    """

    plan: Floats  # (n, m)
    row: Floats  # (n,)
    column: Floats  # (m,)


def transport_vertex(
    cost: Floats, a: Floats, b: Floats, near: tuple[Floats, Floats] | None = None
) -> Vertex:
    """Minimise <cost, T> over couplings T of `a` and `b`.

    Parameters
    ----------
    cost : array of shape (n, m), float64
    a, b : arrays of shapes (n,) and (m,), float64
        Weights of the same sum.
    near : pair of arrays of shapes (n,) and (m,), optional
        Potentials of a similar problem. They are subtracted from the cost, which saves pivots.

    Raises
    ------
    ImportError
        If POT is not installed.
    """
    try:
        import ot
    except ImportError as error:
        raise ImportError("reg=0 needs POT, for its linear solver: pip install POT.") from error
    reduced = cost if near is None else cost - near[0][:, None] - near[1]
    plan, found = ot.lp.emd(
        a, b, reduced, MAX_PIVOTS, log=True, center_dual=False, check_marginals=False
    )
    row, column = found["u"], found["v"]
    return (
        Vertex(plan, row, column) if near is None else Vertex(plan, row + near[0], column + near[1])
    )
