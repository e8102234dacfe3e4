"""What a Gromov-Wasserstein solve returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from skgw.solvers.inputs import Array
from skgw.solvers.plan import Plan, as_plan


class State(NamedTuple):
    """Where a solver stands, enough to start the next solve from there.

    Attributes
    ----------
    cost : Tensor of shape (..., n, m)
        Linearised cost, the gradient of the objective without entropy at the current plan, divided
        by the plan's mass. Of a lazy solve: the small matrix that gives it, (r + 1, s + 1) for
        factors of rank r and s.
    potential : Tensor of shape (..., m) or None
        Column potential, in units of the cost.
    """

    cost: Tensor
    potential: Tensor | None = None


@dataclass(frozen=True, eq=False)
class StartsReport:
    """How far the starts of a pool agree.

    Each start was solved roughly, to compare them; the best one was then solved on. In a batch of
    problems every array has a leading axis.

    Attributes
    ----------
    names : tuple of str, of length n_init
        "anneal", "tlb", "spectral" and "pairs", see ``init`` of `solve_gromov`, or what was given
        as `init`.
    values : array of shape (n_init,)
        Objective, entropy included, of the rough plans.
    distances : array of shape (n_init,)
        Total variation between each rough plan and the best one: the share of the mass that goes
        elsewhere, 0 to 1.
    agreement : float or array
        Share of the starts whose value is within 0.05 ``reg`` of the best one. Where it is small,
        more starts may find something better.
    ambiguous : bool or bool array
        Whether one of these has a plan at a distance of more than 0.25 from the best one: the data
        then admit several matchings that differ and are equally good, as symmetric ones do.
    """

    names: tuple[str, ...]
    values: Array
    distances: Array
    agreement: Any
    ambiguous: Any


@dataclass(frozen=True, eq=False)
class GromovResult:
    """Plan and values of one (batched) entropic Gromov-Wasserstein problem.

    Arrays are of the kind, dtype and device of the input; a batch of problems adds a leading axis
    to every field.

    Attributes
    ----------
    plan : array of shape (n, m), or LazyPlan
        The coupling.
    value : 0-d array
        The objective, entropy term included. What the plan's marginals are off by is priced by the
        potentials, so that the error of a rough plan enters in second order only. For torch inputs
        that require gradients it is differentiable in ``Ca``, ``Cb`` and ``M`` by the envelope
        theorem: the plan is held fixed.
    value_quad : 0-d array
        The objective without the entropy term, and without the penalties of relaxed marginals: the
        cost of the plan.
    potentials : tuple of arrays of shapes (n,) and (m,)
        Dual potentials f, g of the linearised problem, in units of its cost ``C = state.cost``:
        up to ``tol`` the plan is ``a_i b_j exp((f_i + g_j - C_ij) / reg)``. Of a lazy plan:
        ``-C_ij / reg`` is the product of its factors.
    marginals : tuple of arrays of shapes (n,) and (m,)
        Row and column sums of ``plan``. Divided by the weights they are the matched share of each
        point, where not all mass has to be transported.
    marginal_error : 0-d array
        L1 distance between the plan's marginals and the prescribed ones, both sides added. With
        `unbalanced` the latter are those that the penalties ask for at the potentials, with
        `mass` they include what is left of each point; it is relative to the plan's mass then.
    converged : bool or bool array
        Whether the last step changed the plan by less than ``tol`` (in L1 norm), and
        ``marginal_error`` is less than ``tol``.
    status : str or tuple of str
        "converged", or what ran out: "max_iter" (outer steps), "inner" (Newton steps of the
        linear problem) or "non_finite".
    n_iter : int or int array
        Outer steps, annealing included; with several starts those from the best one on.
    reg : 0-d array
        The entropy's strength that was used, absolute.
    tol : 0-d array
        The tolerance that was used; above the requested one where the floating point type
        cannot resolve it.
    state : State
        Start of a later solve, see ``init`` of `solve_gromov`.
    starts : StartsReport or None
        How far the starts agree, with ``n_init`` above 1.
    """

    plan: Any
    value: Array
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

    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1.

        Parameters
        ----------
        x : array of shape (n,) or (n, k) for axis 0, (m,) or (m, k) for axis 1
            It is given the plan's dtype. In a batch it serves all problems; (batch, n, k) or
            (batch, m, k) is one for each. The number of axes decides, so that one vector per
            problem takes a last axis of length 1.
        axis : {0, 1}
            The plan's axis that is summed over.

        Returns
        -------
        array of shape (m,) or (m, k) for axis 0, (n,) or (n, k) for axis 1
            With a leading axis in a batch.

        Raises
        ------
        ValueError
            For shapes that do not fit.
        """
        return self._plan.apply(x, axis)

    def argmax(self, axis: int = 1) -> Array:
        """Index of the heaviest partner: of each row for axis 1, of each column for axis 0."""
        return self._plan.argmax(axis)

    def barycenter(self, Y: Array) -> Array:
        """Barycentric projection: for each row the plan-weighted mean of `Y`, zero without mass.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)
            In a batch for all problems, or (batch, m, k), as in `apply`.

        Returns
        -------
        array of shape (n,) or (n, k)
            With a leading axis in a batch.
        """
        return self._plan.barycenter(Y)

    @property
    def _plan(self) -> Plan:
        return as_plan(self.plan, self.marginals[0])
