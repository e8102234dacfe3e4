"""Parts of `GWGenerativeEmbedding`: generator, adversary, penalties and optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import torch

from skgw.base.parameters import (
    NON_NEGATIVE,
    NOT_VALIDATED,
    POSITIVE,
    POSITIVE_INTEGER,
    SHARE,
    Part,
    one_of,
    param,
    part,
    with_parameters,
)
from skgw.base.sklearn_compat import HasMethods
from skgw.base.trained import Optimizer
from skgw.nn import IMAGE_NETWORKS
from skgw.storable import storable

LATENT_DIM = 16  # of noise that does not lie in the space of the points
NETWORKS = "mlp", "conv", *IMAGE_NETWORKS  # names of architectures
Network = Callable[[int, int], torch.nn.Module]


@storable
@with_parameters
class Prior(Part):
    """Distribution of the noise that the generator maps to points.

    Parameters
    ----------
    latent_dim : int or None, default=None
        Dimension of the noise of a mixture with learned means; one component is the standard normal
        distribution. None: the noise lies in the space of the points. It is a mixture of normal
        distributions that is fitted to the rows, placed by multidimensional scaling, and the
        network moves it; this needs the network "mlp" and ``init="mds"`` and no images. Elsewhere
        None is 16.
    n_components : int, default=64
        Number of Gaussians in a mixture, which lets samples fall into separate clusters; for a
        fitted mixture the largest number, of which the likelihood of held-out rows chooses.
    """

    latent_dim: int | None = param(POSITIVE_INTEGER, None, default=None, kw_only=False)
    n_components: int = param(POSITIVE_INTEGER, default=64)

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The default mixture or the standard normal distribution, by name."""
        normal = {"latent_dim": LATENT_DIM, "n_components": 1}
        return cls.expand_name(value, {"mixture": {}, "normal": normal})


@storable
@with_parameters
class Generator(Part):
    """Generator network, prior of its noise, and its initialisation.

    Parameters
    ----------
    network : str, callable or Module, default="mlp"
        "mlp", or for images ("output_shape" of the embedding) "conv", "infogan", "dcgan",
        "dcgan-no-norm" (without batch normalisation) or "wae", see `skgw.nn.image_generator`. A
        callable takes the dimensions of noise and points and returns a `torch.nn.Module`.
    prior : {"mixture", "normal"} or Prior, default="mixture"
        Distribution of the noise: "mixture" is ``Prior()``, "normal" is ``Prior(16,
        n_components=1)``.
    init : {"mds", "random"}, default="mds"
        "mds" places rows by multidimensional scaling first, which saves updates and avoids bad
        minima: the noise is fitted to them (``latent_dim=None``), or the generator is regressed on
        the classical scaling of up to 512 rows. With a standard normal distribution "mds" has no
        effect. "random": random weights.
    n_init_updates : int or "auto", default="auto"
        Number of updates of the regression. "auto": 300, or twice `max_iter` of the embedding if
        that is less.
    output_activation : {"identity", "logistic", "tanh"}, default="identity"
        What follows the network. "logistic" and "tanh" bound the coordinates of points to (0, 1)
        and (-1, 1) in units of the data, as pixels are.

    Examples
    --------
    >>> from skgw import GWGenerativeEmbedding
    >>> from skgw.embedding import Generator, Prior
    >>> generator = Generator(prior=Prior(latent_dim=2, n_components=8))
    >>> model = GWGenerativeEmbedding(generator=generator)
    >>> model.set_params(generator__prior__n_components=4).generator.prior
    Prior(latent_dim=2, n_components=4)
    """

    short_form: ClassVar[str] = "network"

    network: str | torch.nn.Module | Network = param(
        one_of(*NETWORKS), callable, default="mlp", kw_only=False
    )
    prior: Any = part(Prior, one_of("mixture", "normal"), default="mixture")
    init: str = param(one_of("mds", "random"), default="mds")
    n_init_updates: int | str = param(POSITIVE_INTEGER, one_of("auto"), default="auto")
    output_activation: str = param(one_of("identity", "logistic", "tanh"), default="identity")


@storable
@with_parameters
class Adversary(Part):
    """Networks that learn the distances in which data and generated points differ most.

    One network maps the data to features, another one the generated points. The loss compares
    distances between features: the adversary raises the discrepancy, the generator lowers it.

    Parameters
    ----------
    network : str or callable, default="mlp"
        "mlp", "conv", "infogan", "dcgan", "dcgan-no-norm" or "wae"; all but "mlp" read images, and
        become "mlp" for a space without images. A callable takes the numbers of inputs and features
        and returns a `torch.nn.Module`.
    n_features : int or None, default=None
        Dimension of the features, at least `n_components`. None: the larger dimension of data and
        embedding.
    orthogonality : {"procrustes", "layerwise"} or None, default="procrustes"
        Penalty on the distortion of distances. "procrustes": squared distance of each network's
        output to the closest isometry of its input, on data and on generated points. "layerwise":
        squared distance of each weight matrix to the closest orthogonal matrix. None: no penalty.
    weight : float, default=10.0
        Weight of the penalty, a mean over rows, relative to the discrepancy. "procrustes" needs a
        weight above 8: below 8 the adversary gains from distances that grow without bound.
    start : float, default=0.3
        Share of the updates of the generator that precede the first update of the adversary.
    every : int, default=2
        Number of updates of the generator from one turn of the adversary to the next.
    n_steps : int, default=1
        Number of updates of the adversary in a turn, each with its own batch.
    shared : bool, default=False
        Whether one network maps both spaces, which then need the same dimension: `n_components` is
        the number of features of the data. False: one network per space.
    image_shape : (int, int, int) or None, default=None
        Channels, height and width of the images in the rows of the data.
    """

    short_form: ClassVar[str] = "network"

    network: str | Network = param(one_of(*NETWORKS), callable, default="mlp", kw_only=False)
    n_features: int | None = param(POSITIVE_INTEGER, None, default=None)
    orthogonality: str | None = param(one_of("procrustes", "layerwise"), None, default="procrustes")
    weight: float = param(NON_NEGATIVE, default=10.0)
    start: float = param(SHARE, default=0.3)
    every: int = param(POSITIVE_INTEGER, default=2)
    n_steps: int = param(POSITIVE_INTEGER, default=1)
    shared: bool = param("boolean", default=False)
    image_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)


@storable
@with_parameters
class Anchors(Part):
    """Rows of the data whose points in the embedding are known.

    Distances determine the embedding up to rotations, reflections and shifts. Anchor pairs
    determine which of these is taken: the loss compares distances to the known rows with distances
    to their points, and the initialisation begins at the rigid map that fits the pairs. K pairs
    leave free what fixes all K points. With anchors the embedding keeps the coordinates of the
    generator. Alone, anchors are a short form of ``Penalties(mean=0.0, anchors=...)``.

    Parameters
    ----------
    rows : array, default=None
        Required. Positions (K,) of the known rows among the training rows, or the rows themselves,
        as `transform` takes them, which need not be training rows. A search divides the training
        rows: pass the rows themselves.
    points : array of shape (K, n_components), default=None
        Required. Their points, in units of the distances of the data.
    weight : float, default=1.0
        Weight of the mean squared difference between the distances to the known rows and points,
        relative to the discrepancy.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import GWGenerativeEmbedding
    >>> from skgw.embedding import Anchors
    >>> X = np.random.default_rng(0).normal(size=(60, 2)) * [3, 1]
    >>> corners = Anchors(rows=np.arange(4), points=X[:4])
    >>> model = GWGenerativeEmbedding(penalties=corners, max_iter=100, random_state=0)
    >>> Z = model.fit_transform(X)
    >>> bool(abs(Z - X).mean() < 0.5)
    True
    """

    rows: Any = param("array-like", None, default=None, kw_only=False)
    points: Any = param("array-like", None, default=None, kw_only=False)
    weight: float = param(POSITIVE, default=1.0)


@storable
@with_parameters
class Style(Part):
    """A class, or a differentiable penalty, that draws generated points towards it.

    Parameters
    ----------
    classifier : callable, Module or fitted classifier, default=None
        Required. A callable maps points, a tensor (n, n_components), to a differentiable penalty
        for each point, or to one number for all points. A module maps points to logits. A fitted
        scikit-learn classifier is linear, an `MLPClassifier`, or a pipeline of affine transformers
        and such a classifier; in a search, wrap the classifier in
        `sklearn.frozen.FrozenEstimator`. Points are in the coordinates of the generator, which the
        embedding then keeps.
    target : label or None, default=None
        Class of the points: a label of a scikit-learn classifier, or the position of a logit of a
        module (None: 0).
    weight : float, default=0.1
        Weight of the classifier's cross-entropy in nats, or of the callable's penalty.
    """

    short_form: ClassVar[str] = "classifier"

    classifier: Any = param(callable, HasMethods("predict"), default=None, kw_only=False)
    target: Any = param(NOT_VALIDATED, default=None)
    weight: float = param(NON_NEGATIVE, default=0.1)


@storable
@with_parameters
class StyleSet(Part):
    """Images in a style, whose texture generated images take on.

    A critic learns to tell patches of examples from patches of generated images, and the generator
    learns to deceive the critic. Needs `output_shape`.

    Parameters
    ----------
    examples : array of shape (n_examples, n_components), default=None
        Required. Images in flat rows, in the unit of the data. They need not show what the data
        show.
    weight : float, default=0.1
        Weight of the cross-entropy of the critic on generated patches, in nats.
    n_layers : int, default=2
        Convolutions of the critic: patches have 4, 10, 22, 46 pixels in both directions for 1, 2,
        3, 4.
    every : int, default=1
        Number of updates of the generator per update of the critic.
    """

    short_form: ClassVar[str] = "examples"

    examples: Any = param("array-like", None, default=None, kw_only=False)
    weight: float = param(NON_NEGATIVE, default=0.1)
    n_layers: int = param(POSITIVE_INTEGER, default=2)
    every: int = param(POSITIVE_INTEGER, default=1)


@storable
@with_parameters
class Penalties(Part):
    """Weights of penalties on properties of generated points that distances do not determine.

    Points are in units of the RMS distance of the data. A weight of 0 switches a penalty off.

    Parameters
    ----------
    mean : float, default=0.1
        Squared norm of the mean of the points.
    l1 : float, default=0.0
        Mean l1 norm of the points (Bunne et al. 2019, section 2.3).
    total_variation : float, default=0.0
        Mean absolute difference between neighbouring pixels of points that are images: needs
        `output_shape`.
    style : Style or None, default=None
        Target class of the points.
    style_set : StyleSet, array or None, default=None
        Examples of a style of images; an array stands for ``StyleSet(array)``.
    anchors : Anchors or None, default=None
        Rows of the data whose points are known; ``mean=0.0`` unless the mean of the points is known
        to be the origin.
    terms : callable, list or None, default=None
        Own terms of the loss: a callable, or a list of callables and of pairs (callable, weight). A
        callable maps points, a tensor (n, n_components), to a differentiable number, or to one
        number for each point, which are averaged; its weight is 1 unless given. Points are in the
        unit of the data and in the coordinates of the generator, which the embedding then keeps. A
        module is copied, and its weights do not change.

    Examples
    --------
    >>> from skgw import GWGenerativeEmbedding
    >>> from skgw.embedding import Penalties
    >>> model = GWGenerativeEmbedding(penalties=Penalties(mean=0.2, l1=0.01))
    >>> model.set_params(penalties__l1=0.0).penalties
    Penalties(mean=0.2)
    """

    names: ClassVar[tuple[str, ...]] = ("mean", "l1", "total_variation")
    weight_of_name: ClassVar[float] = 0.1  # weight of a penalty that is given by its name

    mean: float = param(NON_NEGATIVE, default=0.1, kw_only=False)
    l1: float = param(NON_NEGATIVE, default=0.0)
    total_variation: float = param(NON_NEGATIVE, default=0.0)
    style: Any = part(Style, None, default=None)
    style_set: Any = part(StyleSet, "array-like", None, default=None)
    anchors: Any = part(Anchors, None, default=None)
    terms: Any = param(callable, list, tuple, None, default=None)

    @classmethod
    def expand(cls, value: Any) -> Self:
        """Penalties of a list, and no others: names with a weight of 0.1, anchors, and own terms.

        An item alone stands for a list of one; None stands for an empty list.
        """
        if isinstance(value, cls):
            return value
        items = list(value) if _is_list(value) else [] if value is None else [value]
        names = {item for item in items if isinstance(item, str)}
        if not names <= set(cls.names):
            unknown = min(names - set(cls.names))
            raise ValueError(f"{unknown!r} is no {cls.__name__}.")
        weights = {name: cls.weight_of_name if name in names else 0.0 for name in cls.names}
        anchors = [item for item in items if isinstance(item, Anchors)]
        if len(anchors) > 1:
            raise ValueError("All anchor pairs belong into one Anchors object.")
        terms = [item for item in items if not isinstance(item, str | Anchors)]
        return cls(**weights, anchors=anchors[0] if anchors else None, terms=terms or None)

    def weighted_terms(self) -> list[tuple[Callable[[torch.Tensor], torch.Tensor], float]]:
        """Own terms and their weights.

        Raises
        ------
        ValueError
            If a term is not callable, or its weight is negative or not finite.
        """
        terms = self.terms if _is_list(self.terms) else [] if self.terms is None else [self.terms]
        pairs = [item if _is_pair(item) else (item, 1.0) for item in terms]
        for term, weight in pairs:
            if not callable(term) or not 0 <= weight < math.inf:
                raise ValueError(
                    "terms must be a callable, or a list of callables and of pairs (callable, "
                    f"weight) of non-negative weights, got {term!r} of weight {weight!r}."
                )
        return [(term, float(weight)) for term, weight in pairs]


def _is_pair(value: Any) -> bool:
    """Whether a value is a pair of a term and its weight."""
    return isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[1], Real)


def _is_list(value: Any) -> bool:
    """Whether a value is a list of terms, rather than one term or a pair."""
    return isinstance(value, tuple | list) and not _is_pair(value)


@storable
@with_parameters
class GWOptimizer(Optimizer):
    """Optimiser, batches and couplings of the Gromov-Wasserstein loss.

    Parameters
    ----------
    {optimizer_parameters}
    stratified : bool, default=True
        Draw one row from each of `batch_size` strata of neighbouring rows, and noise from the
        components of the prior in equal shares, so that a batch has the proportions of the data.
        False: independent uniform batches.
    warm_couplings : bool, default=True
        Start each coupling from the coupling of the last batch, with a cold restart every 50
        batches unless the generator starts at placed rows. False: solve each coupling cold.
    independent_self_terms : bool, default=True
        Compare each batch with a second batch in the self terms of the loss, which then has no bias
        towards concentrated points. False: compare each batch with itself.
    """

    stratified: bool = param("boolean", default=True)
    warm_couplings: bool = param("boolean", default=True)
    independent_self_terms: bool = param("boolean", default=True)

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The optimiser; an `Optimizer` gets the default batches and couplings."""
        if type(value) is Optimizer:
            return cls(**value.get_params(deep=False))
        return super().expand(value)


def paper_settings(beta: float = 1.0, *, l1: float = 0.1, batch_size: int = 256) -> dict[str, Any]:
    """Parameters with which `GWGenerativeEmbedding` is the algorithm of Bunne et al. (2019).

    Batches are independent and uniform, each coupling is solved cold, the noise is standard normal,
    the generator starts at random weights, the adversary makes one update after every update of
    the generator, and the learning rate is constant.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of the orthogonal Procrustes penalty, a sum over the batch in the paper (Eq. 5). The
        penalty of `Adversary` is a mean over rows, so that its weight is ``beta * batch_size``.
    l1 : float, default=0.1
        Weight of the mean l1 norm of generated points.
    batch_size : int, default=256
        Rows per mini-batch.

    Returns
    -------
    dict
        Parameters by name.

    References
    ----------
    :cite:t:`bunne2019`.

    Examples
    --------
    >>> from skgw import GWGenerativeEmbedding
    >>> from skgw.embedding import paper_settings
    >>> model = GWGenerativeEmbedding(2, **paper_settings(beta=1.0))
    >>> model.adversary.weight, model.optimizer.schedule, model.generator.prior
    (256.0, 'constant', 'normal')
    """
    return {
        "generator": Generator(prior="normal", init="random"),
        "adversary": Adversary(weight=beta * batch_size, start=0.0, every=1),
        "penalties": Penalties(mean=0.0, l1=l1),
        "optimizer": GWOptimizer(
            schedule="constant",
            stratified=False,
            warm_couplings=False,
            independent_self_terms=False,
        ),
        "batch_size": batch_size,
    }
