"""SemiDiscreteOT: the optimal transport map from a continuous distribution to weighted rows."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.base.estimator import (
    FittedState,
    PersistenceMixin,
    draw_seed,
    resolve_device,
    seeded,
    tensor_in_tensor_out,
)
from skgw.base.generators import GeneratorMixin
from skgw.base.parameters import POSITIVE, POSITIVE_INTEGER, one_of, param, with_parameters
from skgw.base.sklearn_compat import Interval, check_sample_weight
from skgw.base.trained import whole_fit
from skgw.exceptions import GWConvergenceWarning, warn_user
from skgw.fields import Count, Numbers, Shape
from skgw.solvers import cpu_by_default
from skgw.solvers.semidiscrete import (
    METHODS,
    STARTS,
    CellLookup,
    NormalSource,
    SampledSource,
    SemiDiscreteOptions,
    Source,
    UniformSource,
    facet_angles,
    facet_normals,
    has_planar_cells,
    solve_semidiscrete,
)
from skgw.threads import threads_for

Array = NDArray[Any]

SOURCES: dict[str, Callable[[int], Source]] = {"normal": NormalSource, "uniform": UniformSource}
MAX_ITER = {"asgd": 20_000, "adam": 2_000, "newton": 40}  # of max_iter="auto"
BATCH_SIZE = {"asgd": 32, "adam": 1_000, "newton": 10_000}  # of batch_size="auto"
LEARNING_RATE = {"asgd": 1.0, "adam": 1e-3, "newton": 1.0}  # of learning_rate="auto"


class SemiDiscreteState(FittedState):
    """Fitted attributes of `SemiDiscreteOT` for n atoms with p columns."""

    atoms_: Annotated[Array, Numbers("n", "p")]
    weights_: Annotated[Array, Numbers("n")]
    heights_: Annotated[Array, Numbers("n")]
    masses_: Annotated[Array, Numbers("n")]
    row_atoms_: Annotated[Array, Shape(None)]
    n_atoms_: Annotated[int, Count("n")]
    n_iter_: int
    marginal_error_: float
    error_curve_: list[float]
    cost_: float
    converged_: bool


@with_parameters
class SemiDiscreteOT(GeneratorMixin, PersistenceMixin, BaseEstimator):
    """Semi-discrete optimal transport: a map from continuous noise to the rows of a data set.

    The Brenier potential ``u(x) = max_i <x, y_i> + h_i`` of the atoms y_i is convex. Its gradient
    maps each source point x to an atom, with the least mean squared distance among all maps that
    give each atom its weight. The points that go to one atom are the cell of the atom. The fit
    finds the heights h_i whose cells have the weights as masses. `sample` transports source points.

    Parameters
    ----------
    source : {"normal", "uniform"} or callable, default="normal"
        Distribution of the source points, in as many dimensions as the rows. "normal": standard
        normal. "uniform": uniform on the cube of side 1 around zero. A callable takes a number of
        points and a `torch.Generator` on the CPU, and returns points (n, n_features).
    method : {"auto", "asgd", "adam", "newton"}, default="auto"
        "asgd": averaged stochastic ascent of the dual with decreasing entropic regularisation.
        "adam": Adam, whose gradients are mass errors of cells, estimated from samples that are
        doubled when the energy stagnates. "newton": exact in one dimension, by quantiles of the
        source, and in two dimensions for the sources "normal" and "uniform", by the masses of
        polygons; otherwise Newton's method with a Hessian that is estimated from samples and takes
        memory for ``n_atoms ** 2`` numbers. "auto": "newton" where it is exact, else "asgd"; "asgd"
        too in two dimensions if rows are so close that "newton" does not reach `tol`.
    init : {"multiscale", "voronoi", "zero"}, default="multiscale"
        First heights. "voronoi": cells of the nearest atom, after the atoms are moved and scaled to
        the mean and the mean variance of the source. "multiscale": the same within each of up to 30
        clusters of atoms, whose masses are right; "asgd" then begins with small steps. Up to 100
        atoms have no clusters. "zero": zeros.
    max_iter : int or "auto", default="auto"
        Largest number of iterations. "auto": 20,000 for "asgd", 2,000 for "adam", 40 for "newton".
    batch_size : int or "auto", default="auto"
        Source points of an iteration: for "adam" of the first ones, for "newton" the least number.
        "auto": 32 for "asgd", 1,000 for "adam", 10,000 for "newton".
    learning_rate : float or "auto", default="auto"
        Step length of "asgd" and "adam", in units of the root mean square of the inner products of
        centred source points and centred atoms. "auto": 1 for "asgd", whose steps decrease; 0.001
        for "adam", whose steps do not.
    tol : float, default=0.01
        Marginal error at which the fit stops: 0.01 are relative errors of the masses of 10 %, root
        mean square.
    betas : (float, float), default=(0.9, 0.999)
        Decay rates of "adam".
    patience : int, default=30
        Number of iterations without a better energy after which "adam" doubles its samples.
    device : str or torch.device, default="auto"
        "cpu", "cuda", "cuda:N" or "auto": CUDA if it is available, else the CPU.
    random_state : int, RandomState or None, default=None
        Seed of the source points of the fit.

    Attributes
    ----------
    atoms_ : array of shape (n_atoms, n_features)
        Distinct rows of positive weight, in lexicographic order.
    weights_ : array of shape (n_atoms,)
        Weights of the atoms, with the sum 1.
    heights_ : array of shape (n_atoms,)
        Heights h. Their weighted mean is zero: they are unique up to a constant.
    masses_ : array of shape (n_atoms,)
        Masses of the cells, estimated from new source points.
    marginal_error_ : float
        Unbiased estimate of ``sum((masses - weights_) ** 2 / weights_)`` for the exact masses, from
        the same new source points. It may be negative.
    error_curve_ : list of float
        Estimates during the fit, from other points each time.
    cost_ : float
        Dual value, estimated from new source points: at most the squared 2-Wasserstein distance
        between source and data, which it equals for exact heights.
    converged_ : bool
        Whether `marginal_error_` is at most `tol`.
    n_iter_ : int
        Number of iterations; 0 for an exact solution.
    n_atoms_ : int
        Number of atoms.
    row_atoms_ : array of shape (n_samples,)
        Position of each training row in `atoms_`; -1 for rows of weight zero.
    n_features_in_ : int
        Number of columns of the rows.
    feature_names_in_ : array of str
        Names of the columns, if all names are strings.

    Warns
    -----
    GWConvergenceWarning
        If `marginal_error_` is above `tol`.

    See Also
    --------
    an_settings : The settings of the slides.

    Notes
    -----
    Time grows with the number of source points times ``n_atoms * n_features``, and memory with the
    latter: look-ups are in chunks (class attribute `chunk_entries`). `save` needs a named source.

    References
    ----------
    :cite:t:`gu2016`, the potential and the dual.

    :cite:t:`genans2025`, "asgd".

    :cite:t:`an2020`, "adam".

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import SemiDiscreteOT
    >>> Y = np.array([[-1.0], [0.0], [3.0]])
    >>> ot = SemiDiscreteOT("uniform", random_state=0).fit(Y, sample_weight=[2, 1, 1])
    >>> ot.transport([[-0.4], [-0.1], [0.1], [0.4]]).ravel().tolist()
    [-1.0, -1.0, 0.0, 3.0]
    """

    fitted_state: ClassVar[type] = SemiDiscreteState
    chunk_entries: ClassVar[int] = 2**22  # products of source points and atoms at a time

    source: Any = param(one_of(*SOURCES), callable, default="normal", kw_only=False)
    method: str = param(one_of("auto", *METHODS), default="auto")
    init: str = param(one_of(*STARTS), default="multiscale")
    max_iter: int | str = param(POSITIVE_INTEGER, one_of("auto"), default="auto")
    batch_size: int | str = param(
        Interval(Integral, 2, None, closed="left"), one_of("auto"), default="auto"
    )
    learning_rate: float | str = param(POSITIVE, one_of("auto"), default="auto")
    tol: float = param(POSITIVE, default=0.01)
    betas: tuple[float, float] = param(tuple, list, default=(0.9, 0.999))
    patience: int = param(POSITIVE_INTEGER, default=30)
    device: str | torch.device = param(str, torch.device, default="auto")
    random_state: Any = param("random_state", default=None)

    @whole_fit
    def fit(self, Y: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the heights of the atoms.

        Parameters
        ----------
        Y : array of shape (n_samples, n_features)
            Rows that the source is mapped to, numpy or torch. Equal rows are one atom.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows; by default equal. Rows of weight zero are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows that are not finite numbers, for a source that draws points of another shape,
            and for more than 4,000 atoms with Newton's method on samples.
        """
        rows = self._read(Y, reset=True)
        weights = np.ones(len(rows))
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, rows).astype(np.float64)
        atoms, inverse = np.unique(rows, axis=0, return_inverse=True)
        mass = np.bincount(inverse.ravel(), weights / weights.max(), minlength=len(atoms))
        kept = mass > 0
        position = np.where(kept, np.cumsum(kept) - 1, -1)
        self.atoms_, self.weights_ = atoms[kept], mass[kept] / mass[kept].sum()
        self.row_atoms_ = np.where(weights > 0, position[inverse.ravel()], -1)
        self._solve()
        return self

    def _solve(self) -> None:
        n, d = self.atoms_.shape
        device, generator = resolve_device(self.device), seeded(draw_seed(self.random_state))
        atoms, weights = (torch.as_tensor(x, device=device) for x in (self.atoms_, self.weights_))
        source = self._source(d, generator)
        exact = d == 1 or has_planar_cells(source)
        options = self._options("newton" if exact else "asgd")
        with threads_for(options.batch_size * n * d):
            result = solve_semidiscrete(atoms, weights, source, options, generator)
            if self.method == "auto" and d == 2 and exact and not result.converged:
                result = solve_semidiscrete(
                    atoms, weights, source, self._options("asgd"), generator
                )
        self.n_atoms_, self.n_iter_ = n, result.n_iter
        self.heights_ = result.heights.cpu().numpy()
        self.masses_ = result.masses.cpu().numpy()
        self.marginal_error_, self.error_curve_ = result.marginal_error, result.errors
        self.cost_, self.converged_ = result.cost, result.converged
        if not result.converged:
            warn_user(
                f"The masses of the cells have a marginal error of {result.marginal_error:.3g} "
                f"after {result.n_iter} iterations, above tol={self.tol:g}: raise max_iter or tol.",
                GWConvergenceWarning,
            )

    @tensor_in_tensor_out
    def predict(self, X: Any) -> Any:
        """Cells of source points.

        Parameters
        ----------
        X : array of shape (n_points, n_features)
            Numpy or torch.

        Returns
        -------
        array of int of shape (n_points,)
            Positions in `atoms_`; an array or a tensor like `X`.
        """
        check_is_fitted(self)
        return self._best(self._read(X, reset=False))[0]

    @tensor_in_tensor_out
    def transport(self, X: Any) -> Any:
        """Images of source points: the atoms of their cells, the gradient of `potential`.

        Parameters
        ----------
        X : array of shape (n_points, n_features)
            Numpy or torch.

        Returns
        -------
        array of shape (n_points, n_features)
            An array or a tensor like `X`.
        """
        check_is_fitted(self)
        return self._images(self._read(X, reset=False))

    @tensor_in_tensor_out
    def potential(self, X: Any) -> Any:
        """Brenier potential ``max_i <x, y_i> + h_i`` at source points.

        Parameters
        ----------
        X : array of shape (n_points, n_features)
            Numpy or torch.

        Returns
        -------
        array of shape (n_points,)
            An array or a tensor like `X`.
        """
        check_is_fitted(self)
        return self._best(self._read(X, reset=False))[1]

    @tensor_in_tensor_out
    def leading_atoms(self, X: Any, k: int) -> Any:
        """Atoms of the k highest hyperplanes ``<x, y_i> + h_i`` at source points.

        Parameters
        ----------
        X : array of shape (n_points, n_features)
            Numpy or torch.
        k : int
            At least 1 and at most `n_atoms_`.

        Returns
        -------
        array of int of shape (n_points, k)
            Positions in `atoms_`, first that of `predict`. An array or a tensor like `X`.
        """
        check_is_fitted(self)
        check_scalar(k, "k", Integral, min_val=1, max_val=self.n_atoms_)
        return self._leading(self._read(X, reset=False), int(k))

    @tensor_in_tensor_out
    def singularity(self, X: Any, n_facets: int | None = None) -> Any:
        """Smallest angle between the facet of the potential at a point and the next facets.

        The facets of the potential are parts of the hyperplanes ``<x, y_i> + h_i``. At a point, the
        angles between the highest hyperplane and the next ones are taken. If even the smallest
        angle is above a threshold, the point is close to a singular set of the map, where no
        interpolation of neighbouring atoms stays within a mode of the data.

        Parameters
        ----------
        X : array of shape (n_points, n_features)
            Numpy or torch.
        n_facets : int, default=None
            Number of hyperplanes, at least 2. None: ``n_features + 1``.

        Returns
        -------
        array of shape (n_points,)
            Angles in radians, from 0 to pi; 0 if there is one atom only. An array or a tensor like
            `X`.

        Notes
        -----
        The angle between the hyperplanes of two atoms is that of the normals ``(y, -1)``. It
        depends on the unit of the data: it is the distance of atoms of norm far below 1, and the
        angle between atoms of norm far above 1. :cite:t:`an2020` take the facets of the nearest
        centres of cells in place of the highest hyperplanes.

        References
        ----------
        :cite:t:`an2020`, Algorithm 2.
        """
        check_is_fitted(self)
        x = self._read(X, reset=False)
        k = self.n_features_in_ + 1
        if n_facets is not None:
            k = check_scalar(n_facets, "n_facets", Integral, min_val=2)
        k = min(k, self.n_atoms_)
        if k < 2:
            return np.zeros(len(x))
        normals, angles = facet_normals(self.atoms_), np.empty(len(x))
        rows = max(1, self.chunk_entries // (k * normals.shape[1]))
        for start in range(0, len(x), rows):
            chosen = slice(start, start + rows)
            leading = self._leading(x[chosen], k)
            angles[chosen] = facet_angles(normals, leading[:, 0], leading[:, 1:]).min(1)
        return angles

    @cpu_by_default()
    def sample_source(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw source points; `sample` transports the same points for the same integer.

        Parameters
        ----------
        n_samples : int, default=1
            Number of points.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        array of shape (n_samples, n_features)
        """
        points = self._draw(*self._checked_draws(n_samples, random_state))
        return points.astype(self._dtype, copy=False)

    def _sample(self, n: int, rng: np.random.RandomState) -> Array:
        return self._images(self._draw(n, rng))

    def _draw(self, n: int, rng: np.random.RandomState) -> Array:
        generator = seeded(draw_seed(rng))
        return np.asarray(self._source(self.n_features_in_, generator).draw(n, generator))

    def _images(self, x: Array) -> Array:
        return self.atoms_[self._best(x)[0]].astype(self._dtype, copy=False)

    def _best(self, x: Array) -> tuple[Array, Array]:
        """Cells and potentials of points (m, d)."""
        with threads_for(len(x) * self.n_atoms_ * self.n_features_in_):
            index, value = self._lookup().best(torch.tensor(x))  # x may be read-only
        return index.numpy(), value.numpy()

    def _leading(self, x: Array, k: int) -> Array:
        return np.asarray(self._lookup().leading(torch.tensor(x), k))

    def _lookup(self) -> CellLookup:
        atoms, heights = torch.as_tensor(self.atoms_), torch.as_tensor(self.heights_)
        return CellLookup(atoms, heights, chunk_entries=self.chunk_entries)

    def _source(self, dim: int, generator: torch.Generator) -> Source:
        if isinstance(self.source, str):
            return SOURCES[self.source](dim)
        return SampledSource(dim, self.source, generator)

    def _options(self, automatic: str) -> SemiDiscreteOptions:
        """Options; `automatic` is the method that "auto" stands for."""
        method = automatic if self.method == "auto" else self.method
        return SemiDiscreteOptions(
            method,
            start=self.init,
            max_iter=MAX_ITER[method] if self.max_iter == "auto" else int(self.max_iter),
            batch_size=BATCH_SIZE[method] if self.batch_size == "auto" else int(self.batch_size),
            learning_rate=(
                LEARNING_RATE[method] if self.learning_rate == "auto" else float(self.learning_rate)
            ),
            tol=self.tol,
            betas=_decay_rates(self.betas),
            patience=self.patience,
            chunk_entries=self.chunk_entries,
        )

    def _check_state(self) -> None:
        rows = self.row_atoms_
        if rows.ndim != 1 or rows.dtype.kind != "i":
            raise ValueError("row_atoms_ must hold one integer for each row")
        if not -1 <= rows.min(initial=0) <= rows.max(initial=0) < self.n_atoms_:
            raise ValueError("row_atoms_ must hold positions of atoms, or -1")
        if min(self.weights_.min(), self.masses_.min()) < 0:
            raise ValueError("weights_ and masses_ must not be negative")


def _decay_rates(betas: Any) -> tuple[float, float]:
    if len(betas) != 2 or not all(isinstance(x, Real) and 0 <= float(x) < 1 for x in betas):
        raise ValueError(f"betas must be two numbers from 0 to below 1, got {betas!r}.")
    return float(betas[0]), float(betas[1])


def an_settings(batch_size: int = 10_000, patience: int = 30) -> dict[str, Any]:
    """Parameters with which `SemiDiscreteOT` is Algorithm 1 of An et al. (2020), as on the slides.

    The source is uniform on a convex set, the heights start at zero, and Adam with the decay rates
    0.9 and 0.5 descends the mass error minus its mean. The samples are doubled when the energy has
    not improved for `patience` iterations.

    Parameters
    ----------
    batch_size : int, default=10_000
        Number of samples N at the start, which the slides leave open.
    patience : int, default=30
        Number of iterations s, which the slides leave open.

    Returns
    -------
    dict
        Parameters by name. Learning rate and the meaning of "until converged" are left open by the
        slides, and keep the defaults of `SemiDiscreteOT`.

    Notes
    -----
    The slides denote by E a concave function whose gradient is the weights minus the masses, and
    step along the masses minus the weights: they descend -E, and "E has not decreased" refers to
    -E. The published program differs: its second decay rate is 0.999, it reuses one set of points,
    and doubles it by the norm of the gradient.

    References
    ----------
    :cite:t:`an2020`, Algorithm 1; :cite:t:`zhang2021`.

    Examples
    --------
    >>> from skgw import SemiDiscreteOT
    >>> from skgw.generative import an_settings
    >>> ot = SemiDiscreteOT(**an_settings(), tol=0.1)
    >>> ot.init, ot.betas
    ('zero', (0.9, 0.5))
    """
    return {
        "source": "uniform",
        "method": "adam",
        "init": "zero",
        "batch_size": batch_size,
        "betas": (0.9, 0.5),
        "patience": patience,
    }
