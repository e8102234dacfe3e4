"""GWMatcher: which rows of two unpaired data sets belong together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skgw.base.coupling import Coupling
from skgw.base.estimator import (
    PersistenceMixin,
    all_or_nothing,
    draw_seed,
    resolve_device,
    tensor_in_tensor_out,
    weighted_distortion,
)
from skgw.base.sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skgw.base.two_domains import (
    fit_transformer,
    mean_score,
    of_domain,
    position,
    read_domains,
    read_rows,
    transformed,
)
from skgw.exceptions import AmbiguousMatchingWarning, warn_user
from skgw.matching.alignment import AlignOptions, align
from skgw.matching.confidence import distances_of_means
from skgw.matching.metric_selection import CLEAR
from skgw.matching.out_of_sample import Correspondence
from skgw.matching.result import Alignment
from skgw.matching.side_information import read_hints
from skgw.matching.training_domain import TrainingDomain
from skgw.spaces.finite import Metric

MAX_FULL = 2000  # rows of either domain up to which "auto" couples all
MAX_REFERENCE = 1000  # rows of either domain that are coupled otherwise

Array = NDArray[Any]


class GWMatcher(PersistenceMixin, BaseEstimator):
    """Match two unpaired data sets by the distances inside each, without training.

    A plan between the rows of both domains is found by entropic Gromov-Wasserstein transport:
    it keeps distances, so that rows that are alike go to rows that are alike. The domains need no
    common features, no pairs, and not the same number of rows.

    Parameters
    ----------
    metric : str, callable, or pair of these
        "auto" chooses among Euclidean distances and lengths of shortest paths, of features as they
        are, standardised, or put on the unit sphere, by how clearly the best matching stands out
        and how far all of these distances agree with it.
        "precomputed" (distances, or a graph), "geodesic" (shortest paths in the graph of nearest
        neighbours), or any metric of `sklearn.metrics.pairwise_distances`. A pair is for the first
        and the second domain.
    n_neighbors : int or None
        Neighbours in the graphs of "geodesic", None for 15; and of "auto", None for the mean over
        several numbers.
    edge_length : str
        Length of a graph's edges: "hops" (1 each), "weight", or the name of an edge attribute.
    epsilon : float or None
        Strength of the entropy, relative to the mean squared distance. None chooses it in
        proportion to what the best matching leaves unexplained, and to the refinement.
    n_init : int
        Starts in the pool from which the best matching is taken.
    method : {"auto", "full", "reference"}
        "full" couples all rows; "reference" up to 1000 random ones of either domain, to which the
        others are compared; "auto" couples up to 2000.
    alpha : float
        Weight of the distances against `pairs` or `shared`.
    unbalanced : float, pair of floats or None
        Penalty on the marginals of the plan, of both sides or of each, relative like `epsilon`:
        lets rows without counterpart go unmatched, the smaller, the more of them.
    mass : float in (0, 1] or None
        Match this part of the mass only, the best one; not together with `unbalanced`.
    refine : bool
        Improve the matching by near distances, which are alike where far ones are not, and by an
        orthogonal map of features where that keeps more neighbours. Only if `epsilon`,
        `unbalanced` and `mass` are None.
    transformer_x, transformer_y : transformer or None
        Cloned and fitted to either domain's features before distances are taken. Translated points
        have the features of before.
    device : str
        "auto" is CUDA where there is one, else the CPU.
    random_state : int, RandomState or None
        Same seed, same result on a CPU.

    Attributes
    ----------
    plan_ : Coupling of shape (n, m)
        Mass that goes from each row of the first domain to each of the second.
    gw_value_ : float
        Gromov-Wasserstein discrepancy of the coupled rows without the entropy, relative to the mean
        squared distance.
    epsilon_ : float
        The entropy's strength that was used, for a refined plan relative to saturated distances.
    metric_ : tuple of str or callable
        The metrics that were used, for "auto" those that were chosen. A refined plan sees them
        saturated.
    margin_ : float
        By how much the objective of the best *other* matching that was found exceeds that of the
        one taken, over the latter's discrepancy.
    confidence_ : array of shape (n,)
        How sure the partner of each row is, between 0 and 1: the higher, the more of the row's mass
        goes near its partner, the nearer it comes back to itself from there, and the better its
        distances agree with its partners'. All are relative to the mean of the rows; that a whole
        matching is wrong is what `margin_` tells. Of a refined plan the geometric mean of that
        before and after.
    matched_mass_ : array of shape (n,)
        Mass of each row that the plan matches, over that which it has: 1 for balanced plans.
    converged_ : bool
    n_features_in_, n_features_y_in_ : int
    feature_names_in_, feature_names_y_in_ : array of str
        Only if all names of a domain's features are strings.

    See Also
    --------
    skgw.solvers.solve_gromov : The solver, for matrices of distances.
    skgw.Domains : Two data sets as one, for searches and cross-validation.
    skgw.plotting.AlignmentDisplay : Both domains side by side.

    Notes
    -----
    Memory grows with ``n * m`` up to 2000 rows of either domain, and with ``(n + m) * 1000`` above.

    References
    ----------
    Mémoli (2011), Gromov-Wasserstein distances and the metric approach to object matching.
    Foundations of Computational Mathematics.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWMatcher
    >>> X = np.random.default_rng(0).normal(size=(50, 3)) * [3, 2, 1] + np.ones(3)
    >>> order = np.random.default_rng(1).permutation(50)
    >>> Y = np.c_[X[order] @ np.linalg.qr(np.vander([1.0, 2.0, 3.0]))[0], np.zeros(50)]
    >>> matcher = GWMatcher(metric="euclidean", random_state=0).fit(X, Y)
    >>> bool((order[matcher.match()] == np.arange(50)).mean() > 0.9), matcher.translate(X[:2]).shape
    (True, (2, 4))
    """

    _parameter_constraints: dict[str, Any] = {
        "metric": [str, callable, tuple, list],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "edge_length": [str],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "method": [StrOptions({"auto", "full", "reference"})],
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "unbalanced": [Interval(Real, 0, None, closed="neither"), tuple, list, None],
        "mass": [Interval(Real, 0, 1, closed="right"), None],
        "refine": ["boolean"],
        "transformer_x": [HasMethods(["fit", "transform"]), None],
        "transformer_y": [HasMethods(["fit", "transform"]), None],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        metric: Metric | tuple[Metric, Metric] = "auto",
        n_neighbors: int | None = None,
        edge_length: str = "hops",
        epsilon: float | None = None,
        n_init: int = 16,
        method: str = "auto",
        alpha: float = 0.5,
        unbalanced: float | tuple[float, float] | None = None,
        mass: float | None = None,
        refine: bool = True,
        transformer_x: Any = None,
        transformer_y: Any = None,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.edge_length = edge_length
        self.epsilon = epsilon
        self.n_init = n_init
        self.method = method
        self.alpha = alpha
        self.unbalanced = unbalanced
        self.mass = mass
        self.refine = refine
        self.transformer_x = transformer_x
        self.transformer_y = transformer_y
        self.device = device
        self.random_state = random_state

    @all_or_nothing
    @fit_context
    @tensor_in_tensor_out
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None, shared: Any = None) -> Self:
        """Match the rows of two domains.

        Parameters
        ----------
        X : array of shape (n, p), or (n, n) for "precomputed", or Domains
            The first domain: features, distances or, for "precomputed", a graph. Or both domains.
        y : array of shape (m, q), or (m, m) for "precomputed"
            The second domain, of any length and width. One dimension is taken as one feature.
        pairs : pair of arrays of int of shape (k,), optional
            Rows of `X` and of `y` that are known to belong together.
        shared : pair of arrays of shapes (n, d) and (m, d), optional
            Features that both domains have, in the same units.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that is not a space with finite distances; the message says what to do.

        Warns
        -----
        AmbiguousMatchingWarning
            If another matching is about as good as the one taken.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        GWConvergenceWarning
            If the plan has not converged.
        """
        metrics = self._metrics()
        X, Y, metric_y = read_domains(self, X, y, metrics=metrics, edge_length=self.edge_length)
        metric_x, self._metric_y = metrics[0], metric_y
        hints = read_hints(pairs, shared, (X.shape[0], Y.shape[0]), self.alpha)
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x", metric_x)
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y", metric_y)
        rows = transformed(self.transformer_x_, X), transformed(self.transformer_y_, Y)
        one = TrainingDomain(rows[0], metric_x, self.n_neighbors, rng)
        other = TrainingDomain(rows[1], metric_y, self.n_neighbors, rng)
        options = self._options(max(X.shape[0], Y.shape[0]))
        self._store(align((one, other), hints, options, seed))
        self._points = self._domains[0].points(X), self._domains[1].points(Y)
        if self.margin_ < CLEAR:
            warn_user(
                "The matching is ambiguous: one that differs in more than half of its mass "
                f"has an objective that is higher by only {self.margin_:.2g} of the "
                "discrepancy. The domains may be symmetric, or the metric may tell too little; "
                "known pairs (`pairs`) or features that both domains have (`shared`) can decide.",
                AmbiguousMatchingWarning,
            )
        return self

    @tensor_in_tensor_out
    def match(self, X: Any = None, y: Any = None, *, domain: str = "x") -> Any:
        """Partners of rows: of each, the row of the other domain that most of its mass goes to.

        Parameters
        ----------
        X : array of shape (b, n_features), or of distances to the training rows, optional
            Rows of the domain `domain`; by default its training rows.
        y : array, optional
            Rows of the other domain, in the same ways, to choose partners from; by default its
            training rows.
        domain : {"x", "y"}
            Which domain the rows of `X` are of.

        Returns
        -------
        array of int of shape (b,)
            Positions in `y`, or among the training rows.
        """
        check_is_fitted(self)
        here = position(domain)
        there = 1 - here
        if X is None:
            if y is not None:
                raise ValueError("match needs X with y: the training rows are not kept.")
            return self.plan_.argmax(axis=1 - here)
        rule = self._rule(here)
        extension = rule.to_y
        if y is not None:
            extension = rule.onto(self._domains[there].distances(self._read(y, there)))
        chunks = self._domains[here].chunks(self._read(X, here))
        return np.concatenate([extension.rows(D).argmax(1) for D in chunks])

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x") -> Any:
        """Points of the other domain: means of its rows, weighted by the plan.

        Training rows and new ones go the same way, by their distances to the reference rows.

        Parameters
        ----------
        X : array of shape (b, n_features), or of distances to the training rows
            Rows of the domain `domain`. Numpy or torch.
        domain : {"x", "y"}

        Returns
        -------
        array of shape (b, n_features of the other domain)
            Of the kind of `X`. Into a domain that is known by its distances only: means of rows of
            distances to its training rows.
        """
        check_is_fitted(self)
        here = position(domain)
        there = 1 - here
        extension, points = self._rule(here).onto_reference(), self._points[there]
        chunks = self._domains[here].chunks(self._read(X, here))
        out = np.concatenate([extension.rows(D) @ points for D in chunks])
        return out.astype(points.dtype, copy=False)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        ``-||D - D'|| / ||D||``, for the distances D from rows to the (up to 2000) reference rows of
        their domain, and those of what they translate to, D', each over the root mean square
        distance of the domain; the mean over both directions. Weighted means of rows are as far
        apart as they are in Euclidean space, computed from the distances of the rows. Higher is
        better, 0 is perfect; a translation to a single point has -1.

        Parameters
        ----------
        X : array, graph or Domains
            Rows of the first domain, or of both.
        y : array, optional
            Rows of the second domain. Without them only the first direction counts.
        sample_weight : array, optional
            For the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return mean_score(X, y, sample_weight, self._distortion)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        first = self.metric[0] if isinstance(self.metric, tuple | list) else self.metric
        precomputed = first == "precomputed"
        tags.input_tags.pairwise = precomputed
        tags.input_tags.positive_only = precomputed
        tags.input_tags.sparse = precomputed
        tags.target_tags.required = True
        return tags

    def _metrics(self) -> tuple[Metric, Metric]:
        """Those of the two domains, as they were given."""
        return of_domain(self.metric, 0, "metric"), of_domain(self.metric, 1, "metric")

    def _options(self, n_rows: int) -> AlignOptions:
        full = self.method == "full" or (self.method == "auto" and n_rows <= MAX_FULL)
        return AlignOptions(
            epsilon=self.epsilon,
            n_init=self.n_init,
            max_reference=n_rows if full else MAX_REFERENCE,
            unbalanced=self.unbalanced,
            mass=self.mass,
            device=resolve_device(self.device),
            refine=self.refine
            and all(x is None for x in (self.epsilon, self.unbalanced, self.mass)),
        )

    def _store(self, found: Alignment) -> None:
        """Keep what describes the alignment, and what `match` and `translate` need."""
        self.metric_, self.epsilon_ = found.metrics, found.epsilon
        self.margin_, self.gw_value_ = found.trial.margin, found.value
        self.converged_ = found.converged
        self._correspondence, self._domains = found.rule, found.domains
        self.plan_ = Coupling(found.whole_plan())
        self.confidence_, self.matched_mass_ = found.confidence, found.matched_mass()

    def _rule(self, here: int) -> Correspondence:
        return self._correspondence.reversed() if here else self._correspondence

    def _read(self, X: Any, here: int) -> Any:
        """Validated rows of a domain, transformed."""
        metrics = self._metrics()[0], self._metric_y
        return read_rows(self, X, here, metrics=metrics, edge_length=self.edge_length)

    def _distortion(self, X: Any, here: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to the reference rows of their domain."""
        domain, other = self._domains[here], self._domains[1 - here]
        X_read, extension = self._read(X, here), self._rule(here).onto_reference()
        W, V = extension.rows(domain.distances(X_read)), extension.rows(domain.between())
        E = distances_of_means(W, V, other.plain.between())
        return weighted_distortion(domain.plain.distances(X_read), E, weight, X)
