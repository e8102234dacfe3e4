"""GWCoTrainedAutoencoders: two autoencoders whose codes agree in their distances."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import pairwise_distances
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from skgw.autoencoders.base import automatic_updates
from skgw.autoencoders.codes import SAMPLERS, code_distribution, prior_diagnostics
from skgw.autoencoders.kinds import KINDS
from skgw.base.coupling import Coupling
from skgw.base.domains import Domains
from skgw.base.estimator import draw_seed, seeded, tensor_in_tensor_out, weighted_distortion
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    one_of,
    param,
    part,
    with_parameters,
)
from skgw.base.row_names import keep_row_names, name_matches, with_names
from skgw.base.sklearn_compat import HasMethods, Interval, gives_data_frames
from skgw.base.trained import TrainedEstimator, whole_fit
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import (
    fit_transformer,
    mean_score,
    of_domain,
    position,
    read_domains,
    read_rows,
    row_names,
    transformed,
    untransformed,
)
from skgw.base.validation import describe_input, read_codes, with_node_names
from skgw.matching.assignment import ASSIGNMENTS, assign, check_size
from skgw.matching.label_transfer import transfer_over_plan
from skgw.matching.side_information import no_pairs, read_anchors
from skgw.nn import AUTOENCODER_NETWORKS
from skgw.nn.coded_domain import NormalMixture
from skgw.solvers import cpu_by_default, solve_gromov
from skgw.spaces.finite import Array
from skgw.translation.domain_rows import DomainRows, check_kinds, read_domain
from skgw.translation.fitted_state import CoTrainedState
from skgw.translation.latent_matching import LatentMatcher
from skgw.translation.objective import CoTrainingObjective, CoTrainingOptions
from skgw.translation.parameters import BATCHES, GWLoss, TranslationNetwork
from skgw.translation.result import CoTrained, conclude, describe_rows, warn_of_doubts
from skgw.translation.setup import DomainOptions, DomainSetup, check_reads_images, set_up_domain


@with_parameters
class GWCoTrainedAutoencoders(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Two autoencoders, one for each of two unpaired data sets, whose codes can be exchanged.

    Each autoencoder compresses the rows of its domain. A Gromov-Wasserstein loss makes the
    distances between codes agree across the domains: the codes of the two domains then differ by a
    rotation. The estimator finds the rotation, matches rows by their rotated codes, and translates
    a row by decoding the mean code of its matched rows in the other domain. A domain is given by
    features, distances or a graph.

    Parameters
    ----------
    n_components : int, or pair of int, default=8
        Dimension of the codes, of both domains or of each.
    metric : str, callable or pair of these, default="euclidean"
        Metric of both domains, or one for each: "precomputed" (distances, or a graph), "geodesic"
        (shortest paths in the graph of nearest neighbours), or a metric of
        `sklearn.metrics.pairwise_distances`. The autoencoder reads features with "euclidean". With
        another metric it reads coordinates that landmark scaling computes from the distances to
        `n_landmarks` training rows.
    n_neighbors : int, default=15
        Number of neighbours of a row in the graph of ``metric="geodesic"``.
    edge_length : str, default="auto"
        Length of the edges of a graph. "auto": the stored entries of a sparse matrix, and 1 in a
        networkx graph. "hops": 1. "weight": the entries, or the edge attribute "weight". Other
        names are edge attributes of a networkx graph.
    n_landmarks : int, default=1000
        Largest number of landmarks of a domain, random training rows. Unused with "euclidean".
    autoencoder : {"ae", "vae", "wae-mmd", "wae-gan"}, default="ae"
        Penalty on the difference between the distribution of the codes and the standard normal
        distribution: none, the Kullback-Leibler divergence of a variational autoencoder, the
        maximum mean discrepancy, or an adversary.
    network : str, callable, or pair of these, default="mlp"
        Architecture of the autoencoders, of both domains or of each: "mlp", "conv", "infogan",
        "dcgan", "dcgan-no-norm" or "wae", as for `VariationalAutoencoder`. A callable takes the
        numbers of inputs and outputs and returns a module.
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Layers of the encoder, mirrored in the decoder: widths of "mlp", or channels of "conv".
    image_shape : (channels, height, width), pair of these or None, default=None
        Shape of the images that rows hold, for all named networks but "mlp".
    prior_weight : float, default=1.0
        Weight of the penalty on the distribution of the codes.
    sampler : {"auto", "prior", "gaussian-mixture"}, default="auto"
        Distribution of codes that `sample` draws from: the standard normal distribution, or a
        mixture of up to 20 normal distributions that is fitted to the codes of the training rows.
        "auto": the mixture for "ae", whose codes have no prior, else "prior".
    gw_weight : float, default=1.0
        Weight of the Gromov-Wasserstein loss relative to the reconstruction error. 0 trains the
        autoencoders separately and matches their codes at the end.
    gw_loss : {"matched", "independent"} or GWLoss, default="matched"
        Batches of the Gromov-Wasserstein loss: rows with their matches, or the independent batches
        of the source; or all settings. `report_settings` has those of the source.
    epsilon : float, default=0.005
        Weight of the entropy in the Gromov-Wasserstein loss, relative to the mean squared distance
        if the loss is normalised.
    isometry_weight : float, default=0.0
        Weight of a penalty on the distortion of distances by each encoder. It makes codes of few
        dimensions comparable, and raises the reconstruction error.
    translator : {"rotation", "network"} or TranslationNetwork, default="rotation"
        Map between the codes of the domains: the rotation alone, or the rotation and a network
        that is trained after the autoencoders.
    n_reference : int, default=1000
        Number of rows of each domain that are matched at once.
    n_init : int, default=16
        Number of starts of each matching.
    alpha : float, default=0.5
        Weight of the distances relative to `pairs` and `labels`, from 0 to 1, which ignores them.
    unbalanced : float or None, default=None
        Penalty rho on the marginals of the matching, relative to the median cost, for domains whose
        clusters have different shares or are missing in the other domain. A smaller penalty
        gives such rows less mass in `plan_`; 0.05 is a good start. None: uniform marginals.
        `match` uses nearest rows in either case.
    warm_up : float, default=0.5
        Share of the updates before the domains are matched.
    transformer_x, transformer_y : transformer or None, default=None
        Transformers of the rows of each domain, cloned and fitted first. Translated rows are in the
        output space of the transformer, or in the input space if it has `inverse_transform`.
    max_iter : int or "auto", default="auto"
        Number of updates; "auto": 15 epochs of the larger domain, at least 1500 updates, at most
        20,000.
    {training_parameters}

    Attributes
    ----------
    embedding_, embedding_y_ : array of shape (n, kx) and (m, ky)
        Codes of the training rows.
    plan_ : Coupling of shape (n, m)
        Entropic plan between the training rows. `match` uses nearest rows instead.
    confidence_ : array of shape (n,)
        Confidence in the translation of each row of the first domain, between 0 and 1. It compares
        the distance to the nearest rows of the other domain with a distance that farther rows have.
        It ranks rows and cannot reveal that the matching as a whole is wrong: see `margin_`.
    matched_mass_ : array of shape (n,)
        Matched mass of each row, relative to the mean: near 0 for rows without a counterpart, above
        1 for rows of clusters that are rarer in the first domain, 1 with ``unbalanced=None``.
    margin_ : float
        Relative margin between the matching and the runner-up: the difference of their
        costs over the smaller cost, or over 15 % of the mean squared displacement between the two
        if this share is less. Infinite if all starts led to the same matching. Below 0.2 a warning
        says that the matching is ambiguous.
    diagnostics_ : dict
        "cost": mean squared distance between codes of matched rows, 0 to 1. "cost_ratio":
        split-half cost ratio at the first matching, the cost of matching halves of the two domains
        over the cost of matching halves of one domain, after the displacement by pairs if there is
        one; about 1 for a right matching, and `fit` warns above 1.3. "scale_x", "scale_y": RMS
        distance between codes over the RMS distance at the first matching; far from 1 if the latent
        space shrinks or drifts. "rank_x", "rank_y": effective number of dimensions of the codes.
        With a penalty on the codes ("vae", "wae-mmd", "wae-gan") also their distance to the prior,
        for mean codes of each domain: "mmd_x", the unbiased squared maximum mean discrepancy,
        "mean_x", norm of the mean, "smallest_sd_x" and "largest_sd_x", standard deviations along
        the principal axes; 0, 0, 1 and 1 for the prior.
    loss_curve_, gw_curve_ : list of float
        Loss of each update; Gromov-Wasserstein loss of each update after the warm-up.
    validation_curve_ : list of float
        Validation loss, every 50 updates; empty without early stopping.
    n_iter_ : int
        Number of updates.
    n_features_in_, n_features_y_in_ : int
        Numbers of columns of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the columns, for a domain whose names are all strings.
    row_names_in_, row_names_y_in_ : array of str
        Index of a domain that is a data frame whose index is all strings.
    node_names_, node_names_y_ : list
        Names of the nodes, for a domain that is a networkx graph. Graphs that the methods are given
        are matched by these names, as by `GWGenerativeEmbedding.transform`.

    See Also
    --------
    GWMatcher : Matches without training.

    Notes
    -----
    Memory grows with ``(n + m) * (p + q)`` and ``n_reference ** 2``. A fitted estimator keeps a
    copy of precomputed distances, and the distances from up to 2048 nodes of a graph to all nodes.

    References
    ----------
    :cite:t:`chevalley`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWCoTrainedAutoencoders
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [1, 3] @ np.eye(2, 5) + 1
    >>> model = GWCoTrainedAutoencoders(2, max_iter=200, random_state=0).fit(X, Y)
    >>> model.translate(X[:3]).shape, model.transform(Y[:3], domain="y").shape
    ((3, 5), (3, 2))
    """

    fitted_state: ClassVar[type] = CoTrainedState
    shares_training: ClassVar[bool] = False

    n_components: int | tuple[int, int] = param(
        POSITIVE_INTEGER, tuple, list, default=8, kw_only=False
    )
    metric: Any = param(str, callable, tuple, list, default="euclidean")
    n_neighbors: int = param(POSITIVE_INTEGER, default=15)
    edge_length: str = param(str, default="auto")
    n_landmarks: int = param(Interval(Integral, 2, None, closed="left"), default=1000)
    autoencoder: str = param(one_of(*KINDS), default="ae")
    network: Any = param(one_of(*AUTOENCODER_NETWORKS), callable, tuple, list, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    image_shape: Any = param(tuple, list, None, default=None)
    prior_weight: float = param(NON_NEGATIVE, default=1.0)
    sampler: str = param(one_of("auto", *SAMPLERS), default="auto")
    gw_weight: float = param(NON_NEGATIVE, default=1.0)
    gw_loss: Any = part(GWLoss, one_of(*BATCHES), default="matched")
    epsilon: float = param(POSITIVE, default=5e-3)
    isometry_weight: float = param(NON_NEGATIVE, default=0.0)
    translator: Any = part(TranslationNetwork, one_of("rotation", "network"), default="rotation")
    n_reference: int = param(Interval(Integral, 2, None, closed="left"), default=1000)
    n_init: int = param(POSITIVE_INTEGER, default=16)
    alpha: float = param(Interval(Real, 0, 1, closed="both"), default=0.5)
    unbalanced: float | None = param(POSITIVE, None, default=None)
    warm_up: float = param(Interval(Real, 0, 1, closed="left"), default=0.5)
    transformer_x: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    transformer_y: Any = param(HasMethods(["fit", "transform"]), None, default=None)
    batch_size: int = param(default=100)
    learning_rate_init: float = param(default=4e-3)

    @whole_fit
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None, labels: Any = None) -> Self:
        """Train both autoencoders, and match their codes.

        Parameters
        ----------
        X : array of shape (n, p), or (n, n) for "precomputed", or Domains
            The first domain: features, or for "precomputed" distances or a graph (sparse matrix or
            networkx). `Domains` holds both domains.
        y : array of shape (m, q), or (m, m) for "precomputed"
            The second domain, of any length and width. A one-dimensional array is one feature.
        pairs : tuple of two sequences, array or list of pairs, optional
            Anchor pairs: rows of `X` and of `y` that belong together, or are of one kind, in the
            forms that `GWMatcher.fit` takes. Anchor pairs decide between matchings. Where no rigid
            transformation fits (a split-half cost ratio above 1.3), they also displace the rows
            around them, if the ratio falls. The rows of a pair need not be matched.
        labels : pair of arrays of int of shapes (n,) and (m,), optional
            Classes of rows, -1 where unknown. Rows of one class become anchor pairs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows without finite distances, such as an asymmetric matrix or a graph that is not
            connected, for a transformer of distances, and for ``network="conv"`` with another
            metric than "euclidean"; the message says what to do.
        FloatingPointError
            If training diverges.

        Warns
        -----
        AmbiguousMatchingWarning
            If `margin_` is below 0.2, or if the matching is poor: rows are much farther from their
            matched rows than from rows of their own domain.
        LabelsAsDomainWarning
            If `y` looks like labels of `X`.
        """
        if self.autoencoder == "ae" and self.sampler == "prior":
            raise ValueError(
                'sampler="prior" needs codes that a penalty draws to the prior, and '
                'autoencoder="ae" has no penalty: use sampler="gaussian-mixture".'
            )
        names = row_names(X, y)
        metrics = of_domain(self.metric, 0, "metric"), of_domain(self.metric, 1, "metric")
        X, Y, second = read_domains(self, X, y, metrics=metrics, edge_length=self.edge_length)
        self._metrics = metrics = metrics[0], second
        run = TrainingRun(self)
        noise = seeded(draw_seed(run.rng))
        keep_row_names(self, names)
        ignored = self.alpha == 1  # validated, of weight zero
        anchors = read_anchors(
            pairs, labels, (X.shape[0], Y.shape[0]),
            np.random.RandomState(0) if ignored else run.rng, names=names,
        )  # fmt: skip
        anchors = no_pairs() if ignored else anchors
        self.transformer_x_ = fit_transformer(self.transformer_x, X, "transformer_x", metrics[0])
        self.transformer_y_ = fit_transformer(self.transformer_y, Y, "transformer_y", metrics[1])
        inputs = transformed(self.transformer_x_, X), transformed(self.transformer_y_, Y)
        self._domains = self._read_domain(inputs[0], 0, run), self._read_domain(inputs[1], 1, run)
        x, y = self._domains
        rows = x.training_coordinates(inputs[0]), y.training_coordinates(inputs[1])
        domains = (
            self._set_up(rows[0], 0, anchors[0], run),
            self._set_up(rows[1], 1, anchors[1], run),
        )
        n_updates = self._n_updates(max(map(len, rows)))
        objective = CoTrainingObjective(
            (domains[0].domain, domains[1].domain),
            CoTrainingOptions.of(self, n_updates),
            LatentMatcher(len(anchors[0]), self.n_init, self.alpha, self.unbalanced, run.seed),
        ).to(run.device)
        key = rows, anchors
        run.begin(Domains(X, Y), n_updates, n_more_steps=1)
        history = run.train(objective, Domains(X, Y), n_updates, noise, checkpoint_key=key)
        self.gw_curve_ = history.losses.get("gw", [])
        run.say(f"matching of {len(rows[0])} and {len(rows[1])} rows")
        no_network = self.translator == "rotation"
        found = conclude(
            objective, domains, noise, n_reference=self.n_reference,
            unbalanced=self.unbalanced is not None,
            network=None if no_network else TranslationNetwork.read(self.translator),
        )  # fmt: skip
        self._fitted, self.margin_ = found.translator, found.margin
        self._describe(rows, found, run.rng)
        run.step("matching")
        warn_of_doubts(found)
        run.finish()
        return self

    def _read_domain(self, X: Any, index: int, run: TrainingRun) -> DomainRows:
        """Read the validated and transformed training rows of one domain, 0 or 1."""
        metric = self._metrics[index]
        check_reads_images(of_domain(self.network, index, "network"), metric)
        return read_domain(X, metric, self.n_neighbors, self.n_landmarks, run.rng)

    def _set_up(self, rows: Array, index: int, anchors: Array, run: TrainingRun) -> DomainSetup:
        """Set up one domain, 0 or 1, for the training."""
        options = DomainOptions.of(self, index, held_out_share=self._held_out_share)
        return set_up_domain(
            rows, options, anchors, run.rng, dtype=(self._dtype, self._dtype_y)[index],
            axes_seed=run.seed, network_seed=run.seed + index,
        )  # fmt: skip

    def _auto_updates(self, n_rows: int) -> int:
        return automatic_updates(n_rows, self.batch_size)

    @tensor_in_tensor_out
    def transform(self, X: Any, *, domain: str = "x") -> Any:
        """Codes of rows.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            Numpy or torch. For "precomputed": distances to all training rows (b, n). After a fit to
            a graph also this graph, or a sparse matrix of edges from new nodes to training nodes.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.

        Returns
        -------
        array of shape (b, n_components)
            Of the kind of `X`. Codes of the two domains differ by a rotation, which `translate` and
            `match` apply.

        Raises
        ------
        ValueError
            If `set_output` asks for a data frame and the codes of the second domain have another
            number of components: the column names belong to the first domain.
        """
        check_is_fitted(self)
        source = position(domain)
        k = self._fitted.domains[source].latent_dim
        if k != self._n_features_out and gives_data_frames(self):
            raise ValueError(
                f"set_output names the {self._n_features_out} components of the first domain, but "
                f"codes of domain {domain!r} have {k}: take set_output(transform='default')."
            )
        codes = self._fitted.domains[source].encode(self._read_rows(X, source), self._device())
        return codes if source else with_node_names(self, codes, X)

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any, *, domain: str = "x") -> Any:
        """Decode codes of a domain to rows: features, or for "precomputed" distances.

        Parameters
        ----------
        Z : array of shape (b, n_components)
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain of the codes and of the rows.

        Returns
        -------
        array of shape (b, p), or (b, q) for the second domain
            Of the kind of `Z`. For "precomputed": distances to all training rows, from which
            `transform` computes the decoded point again. For features with another metric than
            "euclidean": weighted means of the training rows nearest to the decoded point.
        """
        check_is_fitted(self)
        source = position(domain)
        n_components = self._fitted.domains[source].latent_dim
        Z = read_codes(Z, n_components, f"codes of domain {domain!r}")
        return self._inverse(self._fitted.domains[source].decode(Z, self._device()), source)

    @tensor_in_tensor_out
    def translate(self, X: Any, *, domain: str = "x", method: str = "auto") -> Any:
        """Translate rows of one domain to rows of the other domain.

        Parameters
        ----------
        X : array of shape (b, p), or (b, q) for the second domain
            As for `transform`.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.
        method : {"auto", "decoded", "network", "barycentric", "greedy"}, default="auto"
            "barycentric" decodes the mean code of the matched rows among (up to 10,000) training
            rows of the other domain. "decoded" decodes the rotated code. "network" applies the
            translation network to the rotated code first. "greedy" returns the nearest row of the
            other domain, a training row. "auto" is "network" if it was trained, else
            "barycentric".

        Returns
        -------
        array of shape (b, q), or (b, p) for the second domain
            Of the kind of `X`, or a data frame if `set_output` asks for one, with the index of `X`
            and the columns of the other domain. Features, or for "precomputed" distances to all
            training rows of the other domain, as `inverse_transform` decodes them.
        """
        check_is_fitted(self)
        source = position(domain)
        points, fitted, target = self._read_rows(X, source), self._fitted, 1 - source
        if method == "greedy":
            matched = fitted.matched_rows(points, source, self._device())
            rows = self._undo_transformer(self._domains[target].training_rows(*matched), target)
        else:
            rows = self._inverse(fitted.translate(points, source, method, self._device()), target)
        return with_names(self, rows, X, source)

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
        """Match each row with a row of the other domain.

        Parameters
        ----------
        X : array, optional
            Rows of the domain `domain`. Default: its training rows.
        y : array, optional
            Candidates in the other domain. They are assigned jointly, by an entropic plan between
            `X` and `y`. Default: the (up to 10,000) training rows of the other domain, of which
            each row is matched with the nearest.
        domain : {"x", "y"}, default="x"
            Domain that the rows of `X` belong to.
        assignment : {"argmax", "one-to-one", "gromov-wasserstein"}, default="argmax"
            "argmax" matches each row by itself, so that two rows may have the same match.
            "one-to-one" matches no row twice: of all such assignments, the one of largest
            probability under the plan, of up to 5000 rows of either domain. "gromov-wasserstein"
            needs `X` and `y`, and takes the largest entry of a row in the Gromov-Wasserstein plan
            of the distances between codes, by `epsilon` and the best of `n_init` starts: the
            matching of Eq. 3.2 of :cite:t:`chevalley`, which knows no rotation.
        return_names : bool, default=False
            Whether to return names in place of positions: strings in the index of a data frame, or
            nodes of a networkx graph. A row without a match has None.

        Returns
        -------
        array of int of shape (b,), or of names
            Positions in `y`, or among the training rows of the other domain. With "one-to-one" -1
            for the surplus rows of the larger domain.

        Raises
        ------
        ValueError
            If `y` is given without `X`; for "one-to-one" if there are more than 5000 rows, or if
            `X` is given without `y`; for "gromov-wasserstein" without both; for `return_names` if
            the rows have no names.
        """
        check_is_fitted(self)
        source = position(domain)
        matches = self._match(X, y, source, assignment)
        return name_matches(self, matches, y, 1 - source) if return_names else matches

    def _match(self, X: Any, y: Any, source: int, assignment: str) -> Array:
        """Positions of the matches of rows of a domain, 0 or 1."""
        check_assignment(assignment, X is not None, y is not None)
        target, device = 1 - source, self._device()
        if X is None:
            if assignment == "argmax":
                return self._matches[source].copy()
            check_size(*self.plan_.shape)
            plan = np.array(self.plan_)
            return assign(plan.T if source else plan)
        rows = self._read_rows(X, source)
        if y is None:
            return self._fitted.positions[target][self._fitted.match(rows, source, device)]
        candidates = self._read_rows(y, target)
        if assignment == "gromov-wasserstein":
            return self._match_by_distances(rows, candidates, source)
        if assignment == "one-to-one":
            check_size(len(rows), len(candidates))
            return assign(self._fitted.joint_plan(rows, candidates, source, device))
        return self._fitted.joint_plan(rows, candidates, source, device).argmax(1)

    def _match_by_distances(self, rows: Array, candidates: Array, source: int) -> Array:
        """Largest entries of the Gromov-Wasserstein plan between codes of rows and candidates."""
        x, y = self._fitted.domains[source], self._fitted.domains[1 - source]
        D, E = (
            pairwise_distances(domain.encode(Z, self._device()))
            for domain, Z in ((x, rows), (y, candidates))
        )
        found = solve_gromov(
            D, E, reg=self.epsilon, n_init=self.n_init, random_state=0,
            reg_scale="auto" if GWLoss.read(self.gw_loss).normalized else None,
        )  # fmt: skip
        return np.asarray(found.plan.argmax(1))

    @tensor_in_tensor_out
    def transfer_labels(self, labels: Any, *, domain: str = "x") -> Any:
        """Transfer labels of the training rows of one domain to those of the other domain.

        The probability of a class is its share in the mass that a row receives by `plan_`. Rows
        without a label are left out.

        Parameters
        ----------
        labels : sequence of shape (n,), or (m,) for the second domain
            Labels of the training rows of the domain `domain`, in their order: strings, or numbers.
            -1, None and NaN are missing labels.
        domain : {"x", "y"}, default="x"
            Domain that the labels belong to.

        Returns
        -------
        labels : array of shape (m,), or (n,) for the second domain
            The most probable class of each row of the other domain. The label is missing (-1, NaN
            or None, by the kind of the labels) for a row that receives no mass from labelled rows.
        probabilities : array of shape (m, n_classes), or (n, n_classes) for the second domain
            Of the classes in the order of `numpy.unique`; NaN where the label is missing.

        Raises
        ------
        ValueError
            If there are not as many labels as training rows, if all are missing, or if strings and
            numbers are mixed.
        """
        check_is_fitted(self)
        return transfer_over_plan(self.plan_, labels, position(domain))

    @cpu_by_default()
    def sample(self, n_samples: int = 1, *, domain: str = "x", random_state: Any = None) -> Array:
        """Draw new rows of a domain.

        Codes are drawn from the standard normal distribution, or from a Gaussian mixture that is
        fitted to the codes of the training rows, by `sampler`.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        domain : {"x", "y"}, default="x"
            Domain of the rows.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        array of shape (n_samples, p), or (n_samples, q) for the second domain
            As `inverse_transform` returns them.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        source, rng = position(domain), check_random_state(random_state)
        codes = self._code_distributions[source].draw(n_samples, rng)
        return self._inverse(self._fitted.domains[source].decode(codes, self._device()), source)

    @tensor_in_tensor_out
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the relative distortion of distances by the translation.

        ``-||D - D'|| / ||D||``: D are the distances from rows to (up to 1000) training rows of
        their domain, or to its landmarks if the metric is not "euclidean"; D' are the Euclidean
        distances between the translations as the decoder returns them. Each is divided by the RMS
        distance of its domain. The score is the mean over both directions. Higher is better, 0 is
        perfect; a translation to a single point has -1.

        Parameters
        ----------
        X : array of shape (b, p), graph or Domains
            Rows of the first domain, as for `transform`, or of both domains.
        y : array of shape (b', q), optional
            Rows of the second domain. None: the score of the first direction only.
        sample_weight : array of shape (b,), optional
            Weights of the rows of `X`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return mean_score(X, y, sample_weight, self._distortion)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        describe_input(tags, self.metric, sparse_features=False)
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._fitted.domains[0].latent_dim

    def _describe(
        self, points: tuple[Array, Array], found: CoTrained, rng: np.random.RandomState
    ) -> None:
        """Store codes, plan, confidence and diagnostics of the training rows."""
        rows = describe_rows(found, points, self._device(), unbalanced=bool(self.unbalanced))
        self.embedding_, self.embedding_y_ = rows.codes
        self._code_distributions = tuple(
            self._code_distribution(codes, rng) for codes in rows.codes
        )
        self.matched_mass_, self.plan_ = rows.mass, Coupling(rows.plan)
        self.confidence_, self._matches = rows.confidence, rows.matches
        self.diagnostics_ = rows.diagnostics
        if self.autoencoder != "ae":
            for codes, domain in zip(rows.codes, ("x", "y"), strict=True):
                found_codes = prior_diagnostics(codes)
                self.diagnostics_ |= {f"{name}_{domain}": x for name, x in found_codes.items()}

    def _code_distribution(self, codes: Array, rng: np.random.RandomState) -> NormalMixture:
        """The distribution of codes (n, k) that samples are drawn from."""
        automatic = "gaussian-mixture" if self.autoencoder == "ae" else "prior"
        return code_distribution(codes, automatic if self.sampler == "auto" else self.sampler, rng)

    def _check_state(self) -> None:
        check_kinds(self._domains, self._metrics, self._fitted.positions)

    def _validated(self, X: Any, source: int) -> Any:
        """Validate and transform rows of a domain."""
        return read_rows(self, X, source, metrics=self._metrics, edge_length=self.edge_length)

    def _read_rows(self, X: Any, source: int) -> Array:
        """What the encoder of a domain reads of rows, which are validated and transformed."""
        return self._domains[source].coordinates(self._validated(X, source))

    def _inverse(self, points: Array, source: int) -> Array:
        """Rows of what the decoder of a domain returns."""
        return self._undo_transformer(self._domains[source].rows(points), source)

    def _undo_transformer(self, rows: Array, source: int) -> Array:
        """Undo the transformer of a domain, if it has an inverse."""
        rows = untransformed((self.transformer_x_, self.transformer_y_)[source], rows)
        return rows.astype((self._dtype, self._dtype_y)[source], copy=False)

    def _distortion(self, X: Any, source: int, weight: Any) -> float:
        """Relative distortion of the distances from rows to training rows of their domain."""
        X = self._validated(X, source)
        fitted, domain = self._fitted, self._domains[source]
        D, reference = domain.to_reference(X, fitted.rows[source])
        E = fitted.translated_distances(domain.coordinates(X), reference, source, self._device())
        return weighted_distortion(D, E, weight, X)


def check_assignment(assignment: str, has_rows: bool, has_candidates: bool) -> None:
    """Raise a ValueError if `match` cannot assign the rows that it is given in this way."""
    names = (*ASSIGNMENTS, "gromov-wasserstein")
    if assignment not in names:
        raise ValueError(f"assignment must be one of {names}, got {assignment!r}.")
    if has_candidates and not has_rows:
        raise ValueError("match needs X with y.")
    if assignment == "gromov-wasserstein" and not has_candidates:
        raise ValueError("assignment='gromov-wasserstein' needs X and y: it matches two batches.")
    if assignment == "one-to-one" and has_rows and not has_candidates:
        raise ValueError(
            "assignment='one-to-one' needs y with X: new rows compete for candidates, and the "
            "training rows have matches already."
        )
