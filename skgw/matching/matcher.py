"""GWMatcher: match the rows of two unpaired data sets."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skgw.base.coupling import Coupling
from skgw.base.estimator import (
    OUTPUT_FORMATS,
    PersistenceMixin,
    all_or_nothing,
    draw_seed,
    resolve_device,
    tensor_in_tensor_out,
    weighted_distortion,
)
from skgw.base.parameters import POSITIVE, POSITIVE_INTEGER, one_of, param, with_parameters
from skgw.base.progress import Progress
from skgw.base.row_names import keep_row_names, name_matches, with_names
from skgw.base.sklearn_compat import HasMethods, Interval, fit_context
from skgw.base.two_domains import (
    fit_transformer,
    mean_score,
    of_domain,
    position,
    read_domains,
    read_rows,
    row_names,
    transformed,
)
from skgw.base.validation import SPARSE_ROW_METRICS, describe_input
from skgw.exceptions import AmbiguousMatchingWarning, warn_user
from skgw.matching.alignment import AlignmentOptions, MatchingSettings, align
from skgw.matching.assignment import assign, check_size, is_one_to_one
from skgw.matching.candidate_metrics import AUTO, candidates
from skgw.matching.confidence import RowExtension, distances_of_means
from skgw.matching.contradiction import warn_of_contradiction
from skgw.matching.label_transfer import Labels, transfer_over_plan
from skgw.matching.matching_probability import WARNING_PROBABILITY
from skgw.matching.result import Alignment, MatcherState
from skgw.matching.side_information import read_side_information
from skgw.matching.training_domain import TrainingDomain
from skgw.spaces.finite import Array, Index, Metric

SETTINGS = MatchingSettings()  # settings of all matchers


@with_parameters
class GWMatcher(PersistenceMixin, BaseEstimator):
    """Match two unpaired data sets by the distances inside each.

    Entropic Gromov-Wasserstein transport gives a plan between the rows of both domains that
    preserves distances: pairs of near rows are matched with pairs of near rows. The domains need
    neither common features nor pairs nor the same number of rows, and nothing is trained.

    Parameters
    ----------
    metric : str, callable or pair of these, default="auto"
        Metric of both domains, or one for each: "auto", "precomputed" (distances, or a graph),
        "geodesic" (shortest paths in the graph of nearest neighbours), or any metric of
        `sklearn.metrics.pairwise_distances`. "auto" is the mean of Euclidean distances and lengths
        of shortest paths, for features as they are, and for rows and centred rows on the unit
        sphere; plans of all six are starts. Features may be sparse, unless the metric
        is one that scikit-learn computes of dense rows only.
    n_neighbors : int or None, default=None
        Number of neighbours in the graphs of shortest paths. None is 15.
    edge_length : str, default="auto"
        Length of the edges of a graph. "auto": the stored entries of a sparse matrix, and 1 in a
        networkx graph. "hops": 1. "weight": the entries, or the edge attribute "weight". Other
        names are edge attributes of a networkx graph.
    epsilon : float or None, default=None
        Entropic regularisation of the plan, relative to the mean squared distance. None chooses it
        in proportion to the discrepancy of the best matching.
    n_init : int, default=16
        Number of starts under the metric itself on up to 300 rows, besides three starts under
        each of the six metrics of "auto".
    method : {"auto", "full", "reference"}, default="auto"
        "full" couples all rows. "reference" couples up to 1000 random reference rows of either
        domain, and extends the plan to the other rows by their distances to the reference rows, or
        by their principal coordinates under "auto" and "geodesic".
        "auto" is "full" up to 2000 rows of either domain.
    alpha : float in [0, 1], default=0.5
        Weight of the distances inside the domains; `pairs` and `shared` have the weight
        ``1 - alpha``: 1 ignores them. Unused without `pairs` and `shared`.
    unbalanced : float, pair of floats or None, default=None
        Penalty on the marginals of the plan, one for both domains or one for each, relative to the
        mean squared distance. The smaller it is, the more rows without a counterpart stay
        unmatched. None fixes the marginals.
    mass : float in (0, 1] or None, default=None
        Share of the mass that is matched; the rest stays unmatched. It excludes `unbalanced`.
    refine : bool, default=True
        Under "auto": take the plan of the rotations of principal coordinates that may be right,
        unless a coupling preserves twice as many nearest neighbours; the best of them under
        "geodesic" with reference rows. Under other metrics: refine the plan with saturated (local)
        distances, which two domains often share even where global distances differ. Applies only if
        `epsilon`, `unbalanced` and `mass` are None.
    transformer_x, transformer_y : transformer or None, default=None
        Cloned and fitted to the features of either domain before distances are computed.
        Translated rows have the features before the transformation.
    device : str or torch.device, default="auto"
        Device of the solves: "auto" (CUDA if available, else the CPU), "cpu" or "cuda:N".
    verbose : int, default=0
        Print a line before each step, and the time of slow searches.
    random_state : int, RandomState or None, default=None
        Seed of the starts and subsamples. On a CPU one seed gives one result.

    Attributes
    ----------
    plan_ : Coupling of shape (n, m)
        Entropic plan between the training rows: entry (i, j) is the mass of row i of the first
        domain that is matched with row j of the second domain.
    gw_value_ : float
        Gromov-Wasserstein discrepancy of the plan between the coupled rows without the entropy,
        relative to the mean squared distance.
    epsilon_ : float
        Entropic regularisation of `plan_`, relative to the mean squared distance: of the given
        distances, of saturated distances after a refinement, or between rotated rows.
    matching_probability_ : float
        Probability that the matching is right, between 0 and 1, from `diagnostics_`. Below 0.35
        `fit` warns. It was calibrated on problems with known pairs and ``metric="auto"``, where
        right means that at most .15 of all rows are nearer to a translated row than its true match,
        and wrong .3 and more. With another metric, or if domains share a part of their rows only,
        it is less reliable.
    margin_ : float
        Relative margin between the best matching and the best matching that differs in 85 %
        of its mass: the difference of their discrepancies over the discrepancy of the best
        matching, on up to 2000 rows. It is 0 for symmetric domains.
    diagnostics_ : dict of str to float
        "explained", the share of the discrepancy of the product coupling that the plan removes;
        "preserved_neighbors", the share of nearest neighbours (5, or a sixtieth of the rows) that
        it matches with nearest neighbours; "other_weight", the weight of another matching, which
        differs in most rows, relative to the best matching; "n_rows", the number of rows of the
        smaller domain between which these figures were measured.
    confidence_, confidence_y_ : arrays of shapes (n,) and (m,)
        Confidence in the match of each row of the first and of the second domain, between 0 and 1:
        the expected share of the rows of the other domain that are farther from the translated row
        than its true match is. The expectation is over the plan in both directions, at the noise
        that the costs of the row's matches show. .5 is chance. It ranks the rows of a matching that
        is right, and cannot reveal that the matching as a whole is wrong: see
        `matching_probability_`.
    matched_mass_ : array of shape (n,)
        Mass of each row of the first domain in `plan_`, over the mean mass 1 / n. If `unbalanced`
        and `mass` are None, a coupling gives all rows the mass 1, and the plan of a rotation gives
        less to rows that no row of the other domain is near to.
    converged_ : bool
        Whether the solve and the extension of the plan to all rows have reached their tolerances.
    n_features_in_, n_features_y_in_ : int
        Numbers of features of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the features, for a domain whose names are all strings.
    node_names_, node_names_y_ : list
        Names of the nodes, for a domain that is a networkx graph. Graphs that the methods are given
        are matched by these names, as by `GWGenerativeEmbedding.transform`.

    row_names_in_, row_names_y_in_ : array of str
        Names of the rows, for a domain that is a data frame whose index is all strings.

    See Also
    --------
    skgw.solvers.solve_gromov : The solver, for distance matrices.
    skgw.Domains : Two data sets in one object, for searches and cross-validation.
    skgw.plotting.AlignmentDisplay : Plot both domains side by side.

    Notes
    -----
    Memory grows with ``n * m`` up to 2000 rows of either domain, and with ``(n + m) * 1000`` above.

    References
    ----------
    :cite:t:`memoli2011`.

    :cite:t:`peyre2016`.

    :cite:t:`vayer2020`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWMatcher
    >>> X = np.random.default_rng(0).normal(size=(50, 3)) * [3, 2, 1] + np.ones(3)
    >>> order = np.random.default_rng(1).permutation(50)
    >>> Y = np.c_[X[order] @ np.linalg.qr(np.vander([1.0, 2.0, 3.0]))[0], np.zeros(50)]
    >>> matcher = GWMatcher(metric="euclidean", random_state=0).fit(X, Y)
    >>> bool((order[matcher.match()] == np.arange(50)).mean() > 0.9)
    True
    >>> matcher.translate(X[:2]).shape
    (2, 4)
    """

    fitted_state: ClassVar[type] = MatcherState

    metric: Metric | tuple[Metric, Metric] = param(str, callable, tuple, list, default="auto")
    n_neighbors: int | None = param(POSITIVE_INTEGER, None, default=None)
    edge_length: str = param(str, default="auto")
    epsilon: float | None = param(POSITIVE, None, default=None)
    n_init: int = param(POSITIVE_INTEGER, default=16)
    method: str = param(one_of("auto", "full", "reference"), default="auto")
    alpha: float = param(Interval(Real, 0, 1, closed="both"), default=0.5)
    unbalanced: float | tuple[float, float] | None = param(
        POSITIVE, tuple, list, None, default=None
    )
    mass: float | None = param(Interval(Real, 0, 1, closed="right"), None, default=None)
    refine: bool = param("boolean", default=True)
    transformer_x: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    transformer_y: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    device: str | torch.device = param(str, torch.device, default="auto")
    verbose: int = param("verbose", default=0)
    random_state: Any = param("random_state", default=None)

    @all_or_nothing
    @fit_context
    @tensor_in_tensor_out
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None, shared: Any = None) -> Self:
        """Match the rows of two domains.

        Parameters
        ----------
        X : array of shape (n, p), or (n, n) for "precomputed", or Domains
            The first domain: features, distances or, for "precomputed", a graph. `Domains` holds
            both domains.
        y : array of shape (m, q), or (m, m) for "precomputed", default=None
            The second domain, of any length and width. A one-dimensional array is one feature.
        pairs : tuple of two sequences, array or list of pairs, default=None
            Anchor pairs. A tuple of two sequences of length k holds rows of `X` and the matching
            rows of `y`. An array or a list of shape (k, 2) holds k pairs, of shape (2, k) rows of
            `X` and rows of `y`; shape (2, 2) is an error. Rows are positions, or names in the index
            of a data frame or of the nodes of a networkx graph.
        shared : pair of arrays of shapes (n, d) and (m, d), default=None
            Features that are measured in both domains, in the same units.

        Returns
        -------
        self : GWMatcher

        Raises
        ------
        ValueError
            If a domain is not a space with finite distances (the message says how to make it one),
            or if `pairs` or `shared` do not fit the domains.

        Warns
        -----
        AmbiguousMatchingWarning
            If `matching_probability_` is below 0.35.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        UserWarning
            If `pairs` contradict the distances: they double the discrepancy, and a matching without
            them gives their rows to other rows.
        GWConvergenceWarning
            If the plan has not converged.
        """
        metrics, names = self._metrics(), row_names(X, y)
        X, Y, metric_y = read_domains(
            self, X, y, metrics=metrics, edge_length=self.edge_length, sparse_features=True
        )
        metric_x, self._metric_y = metrics[0], metric_y
        keep_row_names(self, names)
        side_information = read_side_information(
            pairs, shared, (X.shape[0], Y.shape[0]), self.alpha, names
        )
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x", metric_x)
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y", metric_y)
        rows = (
            transformed(self.transformer_x_, X, accept_sparse=metric_x in SPARSE_ROW_METRICS),
            transformed(self.transformer_y_, Y, accept_sparse=metric_y in SPARSE_ROW_METRICS),
        )
        mean_of = candidates(min(Z.shape[1] for Z in rows))
        options, k = self._options(max(X.shape[0], Y.shape[0])), self.n_neighbors
        progress = Progress(type(self).__name__, self.verbose)
        domains = (
            TrainingDomain(rows[0], metric_x, k, rng, mean_of, options.n_reference, progress),
            TrainingDomain(rows[1], metric_y, k, rng, mean_of, options.n_reference, progress),
        )
        found = align(domains, side_information, options, seed, progress)
        self._store(found)
        warn_of_contradiction(found.pair_costs)
        self._points = self._domains[0].points(X), self._domains[1].points(Y)
        explained, preserved, other_weight, _ = found.judgement
        if self.matching_probability_ < WARNING_PROBABILITY:
            warn_user(
                "The matching may be wrong: it is right with a probability of "
                f"{self.matching_probability_:.2g}. It explains {explained:.0%} of the discrepancy "
                f"and preserves {preserved:.0%} of the nearest neighbours, and another matching "
                f"has {other_weight:.0%} of its weight. The domains may be symmetric, or their "
                "distances may not agree; anchor pairs (`pairs`) or features of both domains "
                "(`shared`) can decide.",
                AmbiguousMatchingWarning,
            )
        return self

    @tensor_in_tensor_out
    def match(
        self,
        X: Any = None,
        y: Any = None,
        *,
        domain: str = "x",
        assignment: str = "argmax",
        return_names: bool = False,
    ) -> Any:
        """Match rows: find the row of the other domain that receives most of each row's mass.

        Parameters
        ----------
        X : array of shape (b, n_features), or of distances to the training rows, default=None
            Rows of the domain that `domain` names. Default: its training rows.
        y : array of shape (b', n_features), or of distances to the training rows, default=None
            Candidates in the other domain. Default: its training rows.
        domain : {"x", "y"}, default="x"
            Domain of the rows `X`.
        assignment : {"argmax", "one-to-one"}, default="argmax"
            "argmax" matches each row by itself, so that two rows may have the same match.
            "one-to-one" matches no row twice: of all such assignments, the one of largest
            probability under the plan. It takes up to 5000 rows of either domain.
        return_names : bool, default=False
            Whether to return names in place of positions: strings in the index of a data frame, or
            nodes of a networkx graph. A row without a match has None.

        Returns
        -------
        matches : array of int of shape (b,), or of names
            Position of the match of each row in `y`, or among the training rows. -1 for a training
            row that `unbalanced` or `mass` leaves unmatched; new rows always have a match. With
            "one-to-one" -1 also for the surplus rows of the larger domain.

        Raises
        ------
        ValueError
            If `y` is given without `X`, or the rows do not fit the domains; for "one-to-one" if
            there are more than 5000 rows, or if `X` is given without `y`; for `return_names` if
            the rows have no names.
        """
        check_is_fitted(self)
        source = position(domain)
        matches = self._match(X, y, source, one_to_one=is_one_to_one(assignment))
        return name_matches(self, matches, y, 1 - source) if return_names else matches

    def _match(self, X: Any, y: Any, source: int, *, one_to_one: bool) -> Index:
        """Positions of the matches of rows of a domain, 0 or 1."""
        target = 1 - source
        if X is None:
            if y is not None:
                raise ValueError("match needs X with y: the training rows are not kept.")
            return self._assigned(source) if one_to_one else self.plan_.argmax(axis=target)
        if one_to_one and y is None:
            raise ValueError(
                "assignment='one-to-one' needs y with X: new rows compete for candidates, and the "
                "training rows have matches already."
            )
        rows, plan = self._read(X, source), self._plan_from(source)
        extension = plan.to_y
        if y is not None:
            candidates = self._domains[target]
            extension = plan.onto(
                candidates.features(self._read(y, target)), candidates.reference_features()
            )
        conditional = (extension.rows(D) for D in self._domains[source].chunks(rows))
        if one_to_one:
            check_size(rows.shape[0], extension.shape[1])
            return assign(np.concatenate(list(conditional)))
        return np.concatenate([part.argmax(1) for part in conditional])

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x") -> Any:
        """Translate rows to the other domain.

        A translated row is the mean of the reference rows of the other domain, weighted by the
        row's conditional plan (barycentric projection). Where a rotation matches the domains, it
        is moved half of the way to the rotated place of the row, unless the other domain has a
        transformer. Training rows and new rows are translated alike.

        Parameters
        ----------
        X : array of shape (b, n_features), or of distances to the training rows
            Rows of the domain that `domain` names. Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain of the rows `X`.

        Returns
        -------
        translated : array of shape (b, n_features of the other domain)
            Of the kind of `X`, or a data frame if `set_output` asks for one. Dense, also if the
            features of the other domain are sparse. If only distances of the other domain are
            known: weighted means of the reference rows' distances to its training rows.
        """
        check_is_fitted(self)
        source = position(domain)
        extension, points = self._plan_from(source), self._points[1 - source]
        transformer = (self.transformer_x_, self.transformer_y_)[1 - source]
        target = None if transformer is not None else self._domains[1 - source]
        chunks = self._domains[source].chunks(self._read(X, source))
        parts = (extension.translate(D, points, target) for D in chunks)
        translated = np.concatenate(list(parts))
        translated = translated.astype(self._dtype if source else self._dtype_y, copy=False)
        return with_names(self, translated, X, source)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the kind of output of `translate`.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "default" is an array. A data frame has the index of the translated rows and the column
            names of the other domain. None changes nothing.

        Returns
        -------
        self : GWMatcher

        Raises
        ------
        ValueError
            For another kind.
        """
        if transform is not None:
            if transform not in OUTPUT_FORMATS:
                raise ValueError(f"transform must be one of {OUTPUT_FORMATS}, got {transform!r}.")
            self._sklearn_output_config = {"transform": transform}
        return self

    @tensor_in_tensor_out
    def transfer_labels(self, labels: Any, to: Any = None, *, domain: str = "x") -> Any:
        """Transfer labels of the training rows of one domain to rows of the other domain.

        The probability of a class is its share in the mass that a row receives from labelled
        rows of the other domain. Rows without a label are left out.

        Parameters
        ----------
        labels : sequence of shape (n,), or (m,) for the second domain
            Labels of the training rows of the domain `domain`, in their order: strings, or numbers.
            -1, None and NaN are missing labels.
        to : array of shape (b, n_features of the other domain), default=None
            Rows of the other domain. Default: its training rows.
        domain : {"x", "y"}, default="x"
            Domain that the labels belong to.

        Returns
        -------
        labels : array of shape (b,)
            The most probable class of each row of the other domain. The label is missing (-1, NaN
            or None, by the kind of the labels) for a row that receives no mass from labelled rows.
        probabilities : array of shape (b, n_classes)
            Of the classes in the order of `numpy.unique`; NaN where the label is missing.

        Raises
        ------
        ValueError
            If there are not as many labels as training rows, if all are missing, or if strings and
            numbers are mixed.
        """
        check_is_fitted(self)
        source = position(domain)
        if to is None:
            return transfer_over_plan(self.plan_, labels, source)
        read = Labels.read(labels, self.plan_.shape[source])
        target, extension = 1 - source, self._plan_from(1 - source).to_y
        chunks = self._domains[target].chunks(self._read(to, target))
        return read.transfer(np.concatenate([extension.rows(D) @ read.members for D in chunks]))

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        The score is ``-||D - D'|| / ||D||``. D holds the distances from rows to the (up to 2000)
        reference rows of their domain, D' the distances between their translations. Distances are
        divided by the root mean square distance of their domain; distances between weighted means
        follow from the distances between the reference rows, as in Euclidean space. The score is
        the mean over both directions. Higher is better: 0 is perfect, and a translation to a single
        point has -1.

        Parameters
        ----------
        X : array, graph or Domains
            Rows of the first domain, or of both domains.
        y : array, default=None
            Rows of the second domain. None: the score of the first direction only.
        sample_weight : array of shape (b,), default=None
            Weights of the rows of `X`.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        return mean_score(X, y, sample_weight, self._distortion)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        describe_input(tags, self.metric, sparse_features=True)
        tags.target_tags.required = True
        return tags

    def _check_state(self) -> None:
        self._metrics()

    def _metrics(self) -> tuple[Metric, Metric]:
        """The parameter `metric` of either domain."""
        return of_domain(self.metric, 0, "metric"), of_domain(self.metric, 1, "metric")

    def _options(self, n_rows: int) -> AlignmentOptions:
        full = self.method == "full" or (self.method == "auto" and n_rows <= SETTINGS.max_full)
        metrics = {self._metrics()[0], self._metric_y}
        free = all(x is None for x in (self.epsilon, self.unbalanced, self.mass))
        return AlignmentOptions(
            n_init=self.n_init,
            n_reference=n_rows if full else SETTINGS.max_reference,
            device=resolve_device(self.device),
            epsilon=self.epsilon,
            unbalanced=self.unbalanced,
            mass=self.mass,
            refine=self.refine and free,
            register=metrics == {AUTO} or (metrics == {"geodesic"} and not full),
            check_pairs=True,
            settings=SETTINGS,
        )

    def _store(self, found: Alignment) -> None:
        """Keep the fitted attributes, and the parts that `match` and `translate` use."""
        self.epsilon_, self.gw_value_ = found.epsilon, found.value
        self.matching_probability_, self.margin_ = found.judgement.probability, found.margin
        figures = found.judgement._asdict()
        self.diagnostics_ = {name: float(value) for name, value in figures.items()}
        self.converged_ = found.converged
        self._extension, self._domains = found.extension, found.domains
        self.plan_ = Coupling(found.whole_plan())
        self.confidence_, self.confidence_y_ = found.confidence
        self.matched_mass_ = found.matched_mass

    def _assigned(self, source: int) -> Array:
        """One-to-one matches of the training rows of a domain, 0 or 1."""
        check_size(*self.plan_.shape)
        plan = np.array(self.plan_)
        plan[self.plan_.argmax(axis=1) < 0] = 0  # rows that stay unmatched
        plan[:, self.plan_.argmax(axis=0) < 0] = 0
        return assign(plan.T if source else plan)

    def _plan_from(self, source: int) -> RowExtension:
        """The extended plan from one domain, 0 or 1, to the other domain."""
        return self._extension.reversed() if source else self._extension

    def _read(self, X: Any, domain: int) -> Any:
        """Validate and transform rows of a domain, 0 or 1."""
        metrics = self._metrics()[0], self._metric_y
        return read_rows(
            self, X, domain, metrics=metrics, edge_length=self.edge_length, sparse_features=True
        )

    def _distortion(self, X: Any, source: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to the reference rows of their domain."""
        domain, target = self._domains[source], self._domains[1 - source]
        X_read, extension = self._read(X, source), self._plan_from(source).onto_reference()
        W, V = (
            extension.rows(features)
            for features in (domain.features(X_read), domain.reference_features())
        )
        E = distances_of_means(W, V, target.plain.between())
        return weighted_distortion(domain.plain.distances(X_read), E, weight, X)
