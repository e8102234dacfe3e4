"""Parts of translations: a loss of codes, networks between codes, and critics of rows."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    Part,
    one_of,
    param,
    with_parameters,
)
from skgw.base.trained import Optimizer
from skgw.base.two_domains import of_domain
from skgw.nn import AdversarySpec
from skgw.storable import storable
from skgw.translation.setup import image_shape_of

BATCHES = "matched", "independent"  # of the Gromov-Wasserstein loss
REPORT_WEIGHTS = {  # of the figures 4.1 to 4.6, by autoencoder and dimension
    ("ae", 2): 1.0,
    ("ae", 4): 10.0,
    ("wae-gan", 2): 1.0,
    ("wae-gan", 4): 100.0,
    ("wae-mmd", 2): 100.0,
    ("wae-mmd", 4): 1.0,
}
CRITIC_LOSSES = "non-saturating", "least-squares"  # of critics of rows


@storable
@with_parameters
class GWLoss(Part):
    """The Gromov-Wasserstein loss between the codes of two autoencoders.

    The loss of a batch is 2 GW(D, E) - GW(D, D) - GW(E, E), for the distances D and E between codes
    of either domain.

    Parameters
    ----------
    batches : {"matched", "independent"}, default="matched"
        Rows that are compared. "matched": half a batch of each domain, with the matches of these
        rows; the domains are matched first at the end of the warm-up, and anew ten times.
        "independent": the two batches of the update, without any matching before the end of the
        training. Each problem is solved from the product of the marginals, in up to 30 steps.
    normalized : bool, default=True
        Whether distances are divided by their root mean square in the batch, and a penalty keeps
        the root mean square of the codes constant. The estimator's `epsilon` is then relative.
        False: distances as they are, an absolute `epsilon`, and no penalty.

    Examples
    --------
    >>> from skgw import GWCoTrainedAutoencoders
    >>> model = GWCoTrainedAutoencoders(gw_loss="independent")
    >>> model.set_params(gw_loss__normalized=False).gw_loss
    GWLoss(batches='independent', normalized=False)
    """

    short_form: ClassVar[str] = "batches"

    batches: str = param(one_of(*BATCHES), default="matched", kw_only=False)
    normalized: bool = param("boolean", default=True)


@storable
@with_parameters
class TranslationNetwork(Part):
    """Two networks that map the codes of each domain to the codes of the other domain.

    The networks are trained after the autoencoders, on the mean codes of matched rows. A penalty
    acts on the distance between a code and its image under both networks (cycle consistency).

    Parameters
    ----------
    cycle_weight : float, default=1.0
        Weight of the penalty on cycles.
    n_updates : int, default=1000
        Number of updates of both networks.

    Examples
    --------
    >>> from skgw import GWCoTrainedAutoencoders
    >>> model = GWCoTrainedAutoencoders(translator="network")
    >>> model.set_params(translator__cycle_weight=0.5).translator
    TranslationNetwork(cycle_weight=0.5)
    """

    cycle_weight: float = param(NON_NEGATIVE, default=1.0)
    n_updates: int = param(POSITIVE_INTEGER, default=1000)

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The networks with default parameters, for "network"."""
        return cls.expand_name(value, {"network": {}})


@storable
@with_parameters
class DomainCritic(Part):
    """Critics of the rows of two domains, which learn to tell rows from translations.

    A critic has the architecture that `network` names; for "dcgan" the one without batch
    normalisation, which the penalty on gradients of single rows contradicts.

    Parameters
    ----------
    loss : {"non-saturating", "least-squares"}, default="non-saturating"
        "non-saturating": the cross-entropy of a classifier, with -log D as the loss of the
        translation. "least-squares": squared errors of the labels 0 and 1.
    weight : float, default=1.0
        Weight of the critics' judgement in the loss of the translations. 0 trains without.
    hidden_layer_sizes : tuple of int or None, default=None
        Hidden layers of both critics: widths of "mlp", channels of "conv". None: those of the
        estimator.
    gradient_weight : float, default=0.05
        Weight of the mean squared gradient of a critic at rows, times the number of features, in
        the loss of the critic; rows are in units of the root of the mean variance of a feature.
    n_steps : int, default=1
        Updates of the critics for each update of the translations, each with its own batch.
    learning_rate_factor : float, default=1.0
        Learning rate of the critics over `learning_rate_init`.

    References
    ----------
    :cite:t:`mao2017`, "least-squares"; :cite:t:`mescheder2018`, the penalty.

    Examples
    --------
    >>> from skgw import CycleGAN
    >>> model = CycleGAN(critic="least-squares")
    >>> model.set_params(critic__weight=0.5).critic
    DomainCritic(loss='least-squares', weight=0.5)
    """

    short_form: ClassVar[str] = "loss"

    loss: str = param(one_of(*CRITIC_LOSSES), default="non-saturating", kw_only=False)
    weight: float = param(NON_NEGATIVE, default=1.0)
    hidden_layer_sizes: tuple[int, ...] | None = param("array-like", None, default=None)
    gradient_weight: float = param(NON_NEGATIVE, default=0.05)
    n_steps: int = param(POSITIVE_INTEGER, default=1)
    learning_rate_factor: float = param(POSITIVE, default=1.0)

    def spec(self, params: Any, n_features: int, domain: int) -> AdversarySpec:
        """The critic of one domain, 0 or 1, of an estimator with these parameters."""
        network = of_domain(params.network, domain, "network")
        sizes = self.hidden_layer_sizes
        return AdversarySpec(
            n_inputs=n_features,
            n_features=1,
            network="dcgan-no-norm" if network == "dcgan" else network,
            hidden_layer_sizes=tuple(params.hidden_layer_sizes if sizes is None else sizes),
            image_shape=image_shape_of(params.image_shape, domain),
            residual=False,
        )


def report_settings(
    X: Any,
    y: Any,
    n_components: int = 8,
    autoencoder: str = "ae",
    *,
    coefficient: float | None = None,
) -> dict[str, Any]:
    """Parameters with which `GWCoTrainedAutoencoders` has the loss and training of its source.

    The loss is Eq. 3.1 of the report of :cite:t:`chevalley`: the losses of two independent batches
    of 100 rows, and the discrepancy between their codes from the first update on, of distances as
    they are and with an epsilon of 0.005. Adam has the decay rates 0.5 and 0.99 and a constant rate
    of 0.001, without clipping, for 50 epochs. The report matches by the largest entries of a plan
    (Eq. 3.2): ``match(X_batch, y_batch, assignment="gromov-wasserstein")``.

    The report does not state the widths of the layers and the weights of its Wasserstein
    autoencoders; they are the defaults of the estimator. Its "standard normalization" subtracts one
    number from all pixels; here each column is centred, which a bias of the first layer undoes.

    Parameters
    ----------
    X : array of shape (n, p)
        Training rows of the first domain.
    y : array of shape (m, q)
        Training rows of the second domain.
    n_components : int, default=8
        Dimension of the codes; 2, 4 or 8 in the report.
    autoencoder : {"ae", "vae", "wae-mmd", "wae-gan"}, default="ae"
        The report trains a "vae" separately, with `coefficient` 0.
    coefficient : float, optional
        The lambda of the report, relative to the mean squared error of rows of variance one, all
        columns taken together. The estimator's `gw_weight` is relative to the mean variance of a
        column, and larger by the ratio of the two variances, averaged over the domains. By default
        the lambda of the figures 4.1 to 4.6, of 2 and 4 dimensions: 1 and 10 for "ae", 1 and 100
        for "wae-gan", 100 and 1 for "wae-mmd"; 0 for "vae"; else 1, the least that the report
        tries.

    Returns
    -------
    dict
        Parameters by name.

    Raises
    ------
    ValueError
        If all rows of a domain are equal.

    References
    ----------
    :cite:t:`chevalley`, sections 3.1 to 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgw import GWCoTrainedAutoencoders
    >>> from skgw.translation import report_settings
    >>> X = load_digits().data
    >>> X, Y = X[:400], 16 - X[400:800]
    >>> settings = report_settings(X, Y, 4)
    >>> settings["gw_loss"], settings["max_iter"], round(settings["gw_weight"], 1)
    (GWLoss(batches='independent', normalized=False), 200, 19.8)
    >>> model = GWCoTrainedAutoencoders(**settings, random_state=0)
    >>> model.warm_up, model.optimizer.betas
    (0.0, (0.5, 0.99))
    """
    if coefficient is None:
        usual = 0.0 if autoencoder == "vae" else 1.0
        coefficient = REPORT_WEIGHTS.get((autoencoder, n_components), usual)
    n_rows = max(len(X), len(y))
    return {
        "n_components": n_components,
        "autoencoder": autoencoder,
        "gw_loss": GWLoss("independent", normalized=False),
        "gw_weight": coefficient * float(np.mean([_variance_ratio(rows) for rows in (X, y)])),
        "epsilon": 5e-3,
        "warm_up": 0.0,
        "optimizer": Optimizer("adam", schedule="constant", betas=(0.5, 0.99), clip_norm=None),
        "learning_rate_init": 1e-3,
        "batch_size": 100,
        "max_iter": 50 * -(-n_rows // 100),
    }


def _variance_ratio(X: Any) -> float:
    """Variance of all entries of rows (n, p) over the mean variance of a column."""
    rows = np.asarray(X, dtype=np.float64)
    variance = float(rows.var(axis=0).mean())
    if not variance > 0:
        raise ValueError("All rows of a domain are equal: the weight of the loss has no unit.")
    return float(rows.var()) / variance
