"""Results of Gromov-Wasserstein solves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from scipy import sparse
from torch import Tensor

from skgw.solvers.inputs import Array
from skgw.solvers.plan import Plan, as_plan
from skgw.solvers.plan_list import PlanList

MAX_SHOWN = 4  # items of an array in a `repr`


class State(NamedTuple):
    """The state of a solver, from which another solve can start.

    Attributes
    ----------
    cost : array of shape (n, m) or (batch, n, m)
        Linearised cost: the gradient of the objective without entropy at the plan, over the mass of
        the plan. Of a lazy solve: its (r + 1, s + 1) core matrix, for factors of ranks r and s.
    potential : array of shape (m,) or (batch, m), optional
        Column potential, in units of the cost; None stands for zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import solve_gromov
    >>> C = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    >>> first = solve_gromov(C, 2 * C, tol=1e-3)
    >>> again = solve_gromov(C, 2 * C, tol=1e-3, init=first.state)
    >>> bool(again.n_iter < first.n_iter)
    True
    """

    cost: Tensor
    potential: Tensor | None = None

    def __repr__(self) -> str:
        potential = None if self.potential is None else tuple(self.potential.shape)
        return f"State(cost of shape {tuple(self.cost.shape)}, potential of shape {potential})"


@dataclass(frozen=True, eq=False, repr=False)
class StartsReport:
    r"""Agreement of the starts of a multistart solve, see `n_init` of `solve_gromov`.

    Each start was solved coarsely, for comparison; the best coarse solution was then solved to the
    tolerance. In a batch of problems each array has a leading axis.

    Attributes
    ----------
    names : tuple of str, of length n_init
        "anneal", "tlb", "spectral", "pairs", or the name of `init`; see `solve_gromov`.
    values : array of shape (n_init,)
        Objective of each coarse plan, entropy term included.
    distances : array of shape (n_init,)
        Total variation :math:`\frac12 \sum_{ij} |T_{ij} - T^*_{ij}|` between each coarse plan T
        and the best one, in [0, 1].
    agreement : float or array of shape (batch,)
        Share of the starts whose value is within 0.05 ``reg`` of the best value. If it is small,
        more starts may find a better plan.
    ambiguous : bool or bool array of shape (batch,)
        Whether one of these starts has a distance above 0.25: the data then admit several matchings
        of equal quality, as symmetric data do.

    See Also
    --------
    solve_gromov : Returns a report with ``n_init`` above 1.
    """

    names: tuple[str, ...]
    values: Array
    distances: Array
    agreement: Any
    ambiguous: Any

    def __repr__(self) -> str:
        return (
            f"StartsReport({len(self.names)} starts, agreement={_brief(self.agreement)}, "
            f"ambiguous={_brief(self.ambiguous)})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class GromovResult:
    r"""Plan and values of one entropic Gromov-Wasserstein problem, or of a batch.

    Methods of plans apply to the result, as in ``result.topk(3)``, and ``np.asarray(result)`` is
    its plan. Arrays have the kind, dtype and device of the input; a batch of problems adds a
    leading axis to each field. If the problems have different sizes, plans, potentials and
    marginals are lists with one array for each problem, and so is what the methods return.

    Attributes
    ----------
    plan : array of shape (n, m), LazyPlan, or list of arrays
        The coupling T.
    value : 0-d array
        The objective at the plan, entropy term and penalties included. It is corrected to first
        order for the marginal error by the potentials, so that an inexact plan causes an error of
        second order. For torch input that requires gradients it is differentiable, see the notes
        of `solve_gromov`; the other fields are constants.
    value_linear : 0-d array
        The linear part of the cost, ``(1 - alpha) <M, T>``; zero in a problem without ``M``. With
        `unbalanced` or `mass` it is multiplied by the mass of T, as it is quadratic there.
    value_quad : 0-d array
        The quadratic part of the cost, ``alpha * sum_ijkl L(Ca_ik, Cb_jl) T_ij T_kl``.
    potentials : tuple of arrays of shapes (n,) and (m,)
        Dual potentials f, g of the linearised problem, in units of its cost C = ``state.cost``:

        .. math:: T_{ij} = a_i b_j \exp((f_i + g_j - C_{ij}) / \varepsilon)

        up to ``tol``, where :math:`\varepsilon` is ``reg``. Of a lazy plan,
        :math:`-C_{ij} / \varepsilon` is the product of its factors. With ``reg=0``,
        :math:`f_i + g_j \le C_{ij}`, with equality where the plan is positive.
    marginals : tuple of arrays of shapes (n,) and (m,)
        Row and column sums of the plan. If not all mass is transported, marginals over weights are
        the matched shares of the points.
    marginal_error : 0-d array
        L1 distance between the marginals of the plan and their targets, summed over both spaces.
        Targets are `a` and `b`; with `unbalanced`, the marginals that the penalties ask for at the
        potentials, with `mass`, marginals that include the mass of the dummy points. Relative to
        the mass of the plan.
    converged : bool or bool array
        Whether the last step changed the plan by less than ``tol`` in L1 norm, and
        ``marginal_error`` is below ``tol``. With ``reg=0``, whether no plan lowers the linearised
        cost by more than ``tol`` times the scale of the costs.
    status : str or tuple of str
        "converged", or the budget that ran out: "max_iter" (outer steps) or "inner" (Newton steps
        of the linear problem); "precision" (the floating point type does not resolve the tolerance
        at this reg), "empty" (the penalties leave a plan without mass), or "non_finite".
    n_iter : int or int array
        Outer steps, annealing included; with several starts the steps from the best start on.
    reg : 0-d array
        The weight of the entropy, absolute; at least one ulp of the largest cost, or 0.
    tol : 0-d array
        The tolerance that the solver aimed at, raised to the resolution of the floating point type.
    state : State
        The start of a later solve, see `init` of `solve_gromov`. Problems of different sizes are
        padded to the largest one.
    starts : StartsReport or None
        Agreement of the starts, with ``n_init`` above 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import solve_gromov
    >>> C = np.abs(np.subtract.outer(np.arange(4.0) ** 2, np.arange(4.0) ** 2))
    >>> result = solve_gromov(C, C, reg=1e-3)
    >>> result.argmax(axis=1)
    array([0, 1, 2, 3])
    >>> result.barycenter(np.array([1.0, 2.0, 3.0, 4.0])).round(2)
    array([1., 2., 3., 4.])
    """

    plan: Any
    value: Array
    value_linear: Array
    value_quad: Array
    potentials: tuple[Array, Array]
    marginals: tuple[Array, Array]
    marginal_error: Array
    converged: Any
    status: Any
    n_iter: Any
    reg: Array
    tol: Array
    state: State
    starts: StartsReport | None = None

    @property
    def cost(self) -> Array:
        """The cost of the plan, without entropy and penalties: ``value_linear + value_quad``."""
        return self.value_linear + self.value_quad

    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1.

        Parameters
        ----------
        x : array of shape (n,) or (n, k) for axis 0, (m,) or (m, k) for axis 1
            Converted to the plan's dtype. In a batch it serves all problems; an array of shape
            (batch, n, k) or (batch, m, k) holds one for each. The number of axes decides: one
            vector per problem needs a last axis of length 1.
        axis : {0, 1}, default=0
            The axis of the plan that is summed over.

        Returns
        -------
        array of shape (m,) or (m, k) for axis 0, (n,) or (n, k) for axis 1
            With a leading axis in a batch.

        Raises
        ------
        ValueError
            If `axis` is neither 0 nor 1, or if the shape of `x` does not fit.
        """
        return self._plan.apply(x, axis)

    def argmax(self, axis: int = 1) -> Array:
        """Index of the heaviest match: of each row for axis 1, of each column for axis 0.

        It is -1 for rows or columns without mass.
        """
        return self._plan.argmax(axis)

    def barycenter(self, Y: Array) -> Array:
        """Barycentric projection: for each row the mean of `Y` under the row's masses.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)
            In a batch also (batch, m, k), as in `apply`.

        Returns
        -------
        array of shape (n,) or (n, k)
            NaN for rows without mass, at most the rounding error of the mean row sum: zero weights,
            and rows that `unbalanced` or `mass` leaves unmatched. With a leading axis in a batch.
        """
        return self._plan.barycenter(Y)

    def topk(self, k: int) -> tuple[Array, Array]:
        """The k heaviest matches of each row, heaviest first: columns and masses, both (n, k).

        Rows without mass have the columns -1 and the masses 0. With a leading axis in a batch.
        """
        return self._plan.topk(k)

    def to_sparse(self, k: int) -> sparse.csr_array:
        """The plan with the k heaviest entries of each row only, (n, m), of one problem."""
        return self._plan.to_sparse(k)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self._plan.__array__(dtype, copy)

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "A GromovResult is no pair (plan, log): take result.plan, and the fields of the log "
            "from the result, as in result.value, result.potentials and result.status."
        )

    def __repr__(self) -> str:
        status, shape = self.status, self._plan.shape
        if not isinstance(status, str):
            n_converged = sum(s == "converged" for s in status)
            status = f"{n_converged} of {len(status)} converged"
        return (
            f"GromovResult(plan of shape {_brief(shape)}, {status},\n"
            f"    value={_brief(self.value)}, cost={_brief(self.cost)}, reg={_brief(self.reg)}, "
            f"n_iter={_brief(self.n_iter)})"
        )

    @property
    def _plan(self) -> Plan:
        if isinstance(self.plan, list):
            plans = zip(self.plan, self.marginals[0], strict=True)
            return PlanList(tuple(as_plan(plan, rows) for plan, rows in plans))
        return as_plan(self.plan, self.marginals[0])


def _brief(x: Any) -> str:
    """The first items of an array or a tuple, or a number, at four digits."""
    items = x.tolist() if hasattr(x, "tolist") else x
    if isinstance(items, list | tuple):
        shown = [_brief(item) for item in items[:MAX_SHOWN]]
        shown += ["..."] * (len(items) > MAX_SHOWN)
        return f"({', '.join(shown)})" if isinstance(items, tuple) else f"[{', '.join(shown)}]"
    return f"{items:.4g}" if isinstance(items, float) else str(items)
