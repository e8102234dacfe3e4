"""Options and constants of the semi-discrete solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass

METHODS = "asgd", "adam", "newton"
STARTS = "multiscale", "voronoi", "zero"


@dataclass(frozen=True)
class SemiDiscreteOptions:
    """Options of `solve_semidiscrete`.

    An energy is an inner product of a source point and an atom plus a height, both centred. The
    unit of energies is the root mean square of these inner products.

    Attributes
    ----------
    method : {"asgd", "adam", "newton"}
        "asgd": averaged stochastic ascent with decreasing entropic regularisation. "adam": the
        mass error of hard cells as the gradient of Adam, with more samples when the energy no
        longer improves. "newton": one dimension exactly, by quantiles; two dimensions with a normal
        or uniform source by Newton's method with exact masses; otherwise by Newton's method on
        samples, with decreasing regularisation and a dense Hessian.
    start : {"multiscale", "voronoi", "zero"}
        Heights of the first iteration. "voronoi": those of the cells of the nearest atom, after the
        atoms are moved and scaled to the mean and the mean variance of the source. "multiscale":
        clusters of atoms have the right masses, and each cluster is moved and scaled alone; for up
        to `min_clustered` atoms as "voronoi". "zero": zeros.
    max_iter : int
        Number of iterations; of "newton" in two dimensions see `plane.planar_newton`.
    batch_size : int
        Source points of an iteration; for "adam" of the first iterations, for "newton" the least
        number.
    learning_rate : float
        Step length of "asgd" and "adam", in units of energies. "asgd" multiplies it by
        ``sqrt(n_atoms * batch_size) / t ** (2 / 3)`` in iteration t.
    tol : float
        Marginal error, see `marginal_error`, at which the iterations stop.
    betas : (float, float)
        Decay rates of "adam".
    patience : int
        Number of iterations without a better energy after which "adam" doubles the batch.
    reg, reg_decay : float
        Regularisation of "asgd" in iteration t, in units of energies: ``reg / t ** reg_decay``.
    averaging : float
        Iterate t of "asgd" has the weight ``log(t + 1) ** averaging`` in the average.
    first_step : int
        The first iteration of "asgd" has the step and the regularisation of iteration
        ``first_step + 1``. A start with right masses of clusters is lost by larger steps.
    n_clusters, cluster_newton_iter, cluster_iter, cluster_first_step, cluster_points : int
        Of the start "multiscale": largest number of clusters; Newton steps, then iterations of
        "asgd" and their `first_step`, for the masses of clusters; source points of a cell that the
        height of a cluster is computed from.
    min_clustered : int
    reg_factor : float
        Factor between the regularisations of successive stages of "newton", which begin at `reg`.
    steps_per_stage : int
        Newton steps of a stage.
    samples_per_atom : int
        Source points per atom of the first stage of "newton"; each stage doubles them, up to
        ``2 / tol`` per atom, where sampling no longer limits the marginal error.
    max_newton_atoms : int
        Largest number of atoms of "newton" on samples.
    max_batch : float
        Largest batch of "adam", in points per atom over `tol`: the sampling error of its gradient
        is then at most a tenth of `tol`.
    min_validation : int
        Least number of source points of a check.
    chunk_entries : int
        Energies that are computed at once.
    """

    method: str = "asgd"
    start: str = "multiscale"
    max_iter: int = 20_000
    batch_size: int = 32
    learning_rate: float = 1.0
    tol: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    patience: int = 30
    reg: float = 0.1
    reg_decay: float = 0.5
    averaging: float = 2.0
    first_step: int = 0
    n_clusters: int = 30
    cluster_newton_iter: int = 20
    cluster_iter: int = 3000
    cluster_first_step: int = 1000
    cluster_points: int = 200
    min_clustered: int = 100
    reg_factor: float = 0.4
    steps_per_stage: int = 2
    samples_per_atom: int = 8
    max_newton_atoms: int = 4000
    max_batch: float = 10.0
    min_validation: int = 10_000
    chunk_entries: int = 2**22

    def __post_init__(self) -> None:
        for value, names in ((self.method, METHODS), (self.start, STARTS)):
            if value not in names:
                raise ValueError(f"{value!r} is none of {names}.")

    def n_validation(self, n_atoms: int) -> int:
        """Source points whose marginal error has a standard deviation of at most `tol` / 4."""
        return max(self.min_validation, math.ceil(4 * math.sqrt(2 * n_atoms) / self.tol))
