"""Settings of the solvers: each number that tunes an algorithm, with its meaning and its unit.

Algorithms take a settings object as an argument, with the default instance of its class as the
default value. Compiled code takes the same objects as arguments, so that a cached function holds
none of their values. Lengths of potentials are in units of reg, errors are L1 norms of marginals
or plans of mass 1.
"""

from __future__ import annotations

from typing import NamedTuple


class NewtonSettings(NamedTuple):
    """Balanced and unbalanced linear problems: Newton-CG in a trust region, on the semi-dual."""

    initial_radius: float = 10.0  # of the trust region: largest change of potential / reg
    min_radius: float = 2.5  # after a rejected step
    max_radius: float = 40.0  # after accepted steps
    radius_growth: float = 4.0  # factor, after an accepted step that ends at the radius
    radius_shrinkage: float = 0.25  # new radius over the length of a rejected step
    error_reduction: float = 0.9  # a step that leaves less than this share of the error is accepted
    sufficient_gain: float = 0.1  # gain over the gain predicted by the gradient; Armijo's constant
    sinkhorn_steps: int = 4  # iterations in place of a rejected Newton step
    absorption_threshold: float = 15.0  # largest log scaling before it is absorbed into the kernel
    underflow_share: float = 1e-12  # of a column's mass: with less, Newton steps cannot restore it
    cg_tolerance: float = 0.1  # relative residual of a Newton direction
    max_cg_steps: int = 48  # per Newton direction
    check_interval: int = 4  # CG steps from one convergence check to the next
    direct_steps: int = 12  # Newton steps before annealing of a problem that has not come close
    annealing_error: float = 2e-3  # column error up to which a problem counts as close
    annealing_factor: float = 4.0  # from one annealing level of a linear problem to the next
    max_levels: int = 30  # exponent of the factor: 4**30 times reg
    symmetric_steps: int = 8  # averaged Sinkhorn iterations before the Newton steps
    symmetric_accuracy: float = 0.1  # share of the tolerance at which compiled ones stop


class DescentSettings(NamedTuple):
    """The outer loop: successive linearisation, annealing, momentum."""

    newton: NewtonSettings = NewtonSettings()
    inexactness: float = 0.1  # error of a linear problem over the last change of the plan
    marginal_share: float = 0.2  # smallest error of a linear problem, as a share of the tolerance
    max_marginal_error: float = 1e-2  # largest error of a linear problem
    slow_rate: float = 0.8  # change of the plan over the last change, from which on momentum grows
    max_momentum: float = 0.9  # factor to the last change of the plan
    max_newton_steps: int = 24  # per linear problem
    max_failures: int = 6  # linear problems in a row that stay far off; a solve then stops
    max_levels: int = 500  # annealing levels of all linear problems of a solve, in torch
    octaves_per_level: float = 1.0  # log2 of the ratio of one annealing level to the next
    max_compiled_size: int = 500  # points a side; larger products are faster in BLAS


class LowRankSettings(NamedTuple):
    """Kernels of low rank in place of exact ones."""

    min_size: int = 300  # points a side from which on most outer steps take low-rank kernels
    rank: int = 64
    oversampling: int = 8  # columns of the range finder beyond the rank
    tolerance: float = 1e-2  # of the first solve with low-rank kernels
    correction_ratio: float = 1e-2  # tolerance of a correction, over the last one's change of plan
    max_corrections: int = 6  # by the exact gradient
    exact_interval: int = 4  # outer steps per step that is reserved for exact kernels
    annealing_min_size: int = 160  # points a side from which on annealing steps are of low rank
    annealing_min_ratio: float = 8.0  # smallest ratio of the first level to reg for such steps
    annealing_rank: int = 16


class MultistartSettings(NamedTuple):
    """The pool of starts of a balanced problem."""

    tolerance: float = 1e-2  # of the coarse solves
    max_flipped_vectors: int = 4  # eigenvectors whose signs are flipped
    n_pairs: int = 2  # matched points of a random start
    max_entries: int = 2**20  # of the plans of the starts that are solved at once
    value_margin: float = 0.05  # of reg: values that are closer to each other count as equal
    distance_margin: float = 0.25  # of the mass: plans that differ by more are different matchings


class DenseSettings(NamedTuple):
    """Balanced problems between matrices."""

    descent: DescentSettings = DescentSettings()
    low_rank: LowRankSettings = LowRankSettings()
    multistart: MultistartSettings = MultistartSettings()


class VertexSettings(NamedTuple):
    """Problems without entropy: annealed to the edge, then conditional gradient."""

    edge: float = 1e-2  # smallest reg, in units of the scale
    max_annealing_steps: int = 40  # outer steps down to the edge and at it
    tolerance: float = 1e-6  # of the gap, in units of the scale
    max_support: int = 8  # entries of a plan over n + m, up to which E is a sum over pairs of them


class UnbalancedSettings(NamedTuple):
    """Unbalanced and partial problems."""

    descent: DescentSettings = DescentSettings()
    max_newton_steps: int = 20  # per linear problem with penalties
    tolerance: float = 1e-2  # of the coarse solves, before the best start is known
    coarse_levels: int = 60  # annealing levels of all linear problems of a coarse solve
    penalty_stages: tuple[float, ...] = (1 / 16, 1 / 4, 1.0)  # shares of rho, for growing starts
    min_mass: float = 1e-6  # of an unbalanced plan, below it the plan is empty
    mass_stages: tuple[float, ...] = (1 / 3, 2 / 3, 1.0)  # shares of the mass, likewise
    dummy_cost: float = 2.0  # of matching both dummy points, over a bound of other costs


class AndersonSettings(NamedTuple):
    """Accelerated Sinkhorn sweeps of a streamed linear problem."""

    memory: int = 5  # sweeps that are combined
    max_change: float = 50.0  # of potential / reg in a combination; else a plain Sinkhorn step
    ridge: float = 1e-8  # relative, on the diagonal of the normal equations
    restart_ratio: float = 2.0  # error over the smallest error, from which on the memory is cleared


class MultiscaleSettings(NamedTuple):
    """Lazy problems: samples of growing size, then all points."""

    sample_size: int = 2000  # points a side of the first sample
    growth: int = 4  # factor of the size of one sample to the next
    n_draws: int = 4  # smallest number of first samples, of which the best one is kept
    level_tolerance: float = 1e-2  # of the samples
    level_steps: int = 10  # outer steps on a sample
    max_sweeps: int = 30  # per linear problem
    inner_share: float = 0.25  # tolerance of a linear problem over the tolerance of the plan
    n_landmarks: int = 1000  # points that the coordinates of a point cloud are made from
    anderson: AndersonSettings = AndersonSettings()


NEWTON = NewtonSettings()
DESCENT = DescentSettings()
LOW_RANK = LowRankSettings()
MULTISTART = MultistartSettings()
DENSE = DenseSettings()
VERTICES = VertexSettings()
UNBALANCED = UnbalancedSettings()
ANDERSON = AndersonSettings()
MULTISCALE = MultiscaleSettings()
