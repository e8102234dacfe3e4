"""Penalties of a Gromov-Wasserstein autoencoder (Nakagawa et al. 2023).

The autoencoder has a trainable prior. A relational term compares the distances between draws of the
prior with distances between rows; a joint term makes pairs of a row and its code, and pairs of a
draw of the prior and its decoded row, follow one distribution. Then the decoded prior is the
distribution of the data, and the codes of the data are the prior.

All penalties of a model share one `GenerativeProcess`, so that a batch is decoded once. Distances
are relative: those of rows are divided by their root mean square in the data, which is sqrt(2 p)
for p scaled features, and those of codes, which have no scale of their own, by their root mean
square, or multiplied by a trainable factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from skgw.autoencoders.penalties import AdversarialPenalty, CodedBatch, Penalty
from skgw.nn import gaussian_kl, mlp, pairwise_distances
from skgw.nn.divergences import KERNEL_SCALES
from skgw.nn.global_generator import lent
from skgw.nn.networks import weight_source
from skgw.nn.trainable_priors import TrainablePrior
from skgw.training.gw_loss import cold_solve, cross_term, uniform_problem
from skgw.training.objective import Phase

Features = Callable[[Tensor], Tensor]  # of rows (n, p), whose distances are compared

CRITIC_FEATURES = 64  # of a row and of a code in a critic
CRITIC_WIDTH = 256  # of the hidden layers of a critic
GRADIENT_PENALTY = 10.0  # weight of the squared deviation of the gradient's norm from one
DRIFT = 1e-4  # weight of the squared values of a critic, which fixes the constant that is free


class Generated(NamedTuple):
    """Draws of the prior, their weights (n,) or None, and their decoded rows (n, p)."""

    codes: Tensor
    weights: Tensor | None
    rows: Tensor


class GenerativeProcess(nn.Module):
    """A trainable prior, and one set of decoded draws for each batch.

    Parameters
    ----------
    prior : TrainablePrior
    """

    def __init__(self, prior: TrainablePrior) -> None:
        super().__init__()
        self.prior = prior
        self._last: tuple[CodedBatch, Generated] | None = None

    def generate(self, batch: CodedBatch, generator: torch.Generator) -> Generated:
        """As many draws as the batch has rows; the same ones if the batch is the same object."""
        if self._last is None or self._last[0] is not batch:
            drawn = self.prior.draw(len(batch.rows), generator)
            rows = batch.autoencoder.decode(drawn.codes)
            self._last = batch, Generated(drawn.codes, drawn.weights, rows)
        return self._last[1]

    def forget(self) -> None:
        """Drop the last draws, and the graph of their gradients."""
        self._last = None


class SolvedDiscrepancy(Penalty):
    """GW_eps between draws of the prior and rows, by the best coupling of the batch.

    The gradient, by the envelope theorem, reaches the prior. Weights of draws have no effect: the
    shares of a mixture are trained by the joint term.

    Parameters
    ----------
    process : GenerativeProcess
    weight : float
    epsilon : float
        Entropic regularisation, relative to the mean squared distance.
    features : callable
        Maps rows to the features whose Euclidean distances are compared.
    """

    def __init__(
        self, process: GenerativeProcess, weight: float, *, epsilon: float, features: Features
    ) -> None:
        super().__init__("gromov", weight)
        self.process, self.epsilon, self.features = process, epsilon, features

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """GW_eps of relative distances."""
        codes = self.process.generate(batch, generator).codes
        D = relative(pairwise_distances(codes))
        with torch.no_grad():
            E = relative(pairwise_distances(self.features(batch.rows)))
        return gromov_value(D, E, self.epsilon)


class GenerativeDiscrepancy(Penalty):
    """Distortion of the decoder on draws of the prior: the published term.

    The coupling of the generative process is fixed: a draw and its decoded row. The mean absolute
    difference of distances is an upper bound of the Gromov-Wasserstein discrepancy of order one
    between the prior and the decoded prior.

    Parameters
    ----------
    process : GenerativeProcess
    weight : float
    features : callable
        Maps rows to the features whose Euclidean distances are compared.
    """

    def __init__(self, process: GenerativeProcess, weight: float, *, features: Features) -> None:
        super().__init__("gromov", weight)
        self.process, self.features = process, features
        self.log_scale = nn.Parameter(torch.zeros((), dtype=torch.float32))

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Mean absolute difference between scaled distances of codes and distances of rows."""
        codes, weights, rows = self.process.generate(batch, generator)
        D = self.log_scale.exp() * relative(pairwise_distances(codes))
        with torch.no_grad():
            unit = root_mean_square(pairwise_distances(self.features(batch.rows)))
        difference = (D - pairwise_distances(self.features(rows)) / unit).abs()
        if weights is None:
            return difference.mean()
        return (weights[:, None] * weights * difference).mean()


class MongeGap(Penalty):
    """Gromov-Monge gap of the decoder on draws of the prior.

    The distortion of the decoder minus the least distortion of any coupling between the draws and
    their decoded rows: zero for the best map between these distributions, isometric or not.

    Parameters
    ----------
    process : GenerativeProcess
    weight : float
    epsilon : float
        Entropic regularisation, relative to the mean squared distance.
    features : callable
        Maps rows to the features whose Euclidean distances are compared.

    References
    ----------
    :cite:t:`uscidda2025`.
    """

    def __init__(
        self, process: GenerativeProcess, weight: float, *, epsilon: float, features: Features
    ) -> None:
        super().__init__("gap", weight)
        self.process, self.epsilon, self.features = process, epsilon, features

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Mean squared difference of relative distances minus GW_eps, with equal entropy terms."""
        codes, _, rows = self.process.generate(batch, generator)
        D, E = (
            relative(pairwise_distances(codes)),
            relative(pairwise_distances(self.features(rows))),
        )
        entropy = math.log(len(D))  # of the coupling of each draw with its own row
        by_decoder = (D - E).square().mean() - self.epsilon * entropy
        return (by_decoder - gromov_value(D, E, self.epsilon)).clamp_min(0)


class JointDiscrepancy(Penalty):
    """Maximum mean discrepancy between pairs of rows and codes, and decoded and drawn pairs.

    The kernel is the mean of inverse multiquadratics of several scales, of the codes, and of the
    pairs, whose squared distance is the mean of the relative squared distances of rows and codes.

    Parameters
    ----------
    process : GenerativeProcess
    weight : float
    scales : sequence of float
        Squared distances at which a kernel is one half, over the mean squared distance.
    """

    def __init__(
        self,
        process: GenerativeProcess,
        weight: float,
        *,
        scales: tuple[float, ...] = KERNEL_SCALES,
    ) -> None:
        super().__init__("joint", weight)
        self.process, self.scales = process, scales

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Unbiased estimate, which can be negative; at most 4."""
        codes, weights, rows = self.process.generate(batch, generator)
        of_codes = _squares(batch.codes, codes, 2 * codes.shape[1])
        of_rows = _squares(batch.rows, rows, 2 * rows.shape[1])
        of_pairs = _Squares(*((a + b) / 2 for a, b in zip(of_codes, of_rows, strict=True)))
        return _discrepancy(of_codes, weights, self.scales) + _discrepancy(
            of_pairs, weights, self.scales
        )


class JointCritic(AdversarialPenalty):
    """Difference of a critic between pairs of a row and its code, and decoded and drawn pairs.

    The critic is the dual potential of a Wasserstein distance. Spectral normalisation of all layers
    and a penalty on its gradient, between pairs of either kind, keep it near Lipschitz constant 1.

    Parameters
    ----------
    process : GenerativeProcess
    weight : float
    n_features : int
        Dimension of the rows.
    n_steps : int, default=1
        Updates of the critic for each update of the autoencoder.
    seed : int, default=0
        Seed of the weights of the critic.

    References
    ----------
    :cite:t:`gulrajani2017`, gradient penalty; :cite:t:`miyato2018`, spectral normalisation.
    """

    def __init__(
        self,
        process: GenerativeProcess,
        weight: float,
        *,
        n_features: int,
        n_steps: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__("joint", weight)
        self.process, self.n_steps = process, n_steps
        source = weight_source(seed)
        self.adversary = PairCritic(n_features, process.prior.dim, source)

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Mean value of the critic at decoded and drawn pairs minus that at rows and codes."""
        codes, weights, rows = self.process.generate(batch, generator)
        drawn = self.adversary(rows, codes)
        drawn = drawn if weights is None else weights * drawn
        return drawn.mean() - self.adversary(batch.rows, batch.codes).mean()

    def adversary_loss(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """The negative difference, the gradient penalty, and the drift."""
        with torch.no_grad():
            codes, _, rows = self.process.generate(batch, generator)
        self.process.forget()
        one, other = self.adversary(batch.rows, batch.codes), self.adversary(rows, codes)
        share = torch.rand(len(rows), 1, generator=generator, dtype=torch.float32).to(rows)
        x = (share * batch.rows + (1 - share) * rows).requires_grad_()
        z = (share * batch.codes + (1 - share) * codes).requires_grad_()
        slopes = torch.autograd.grad(self.adversary(x, z).sum(), (x, z), create_graph=True)
        norms = torch.cat(slopes, 1).square().sum(1).clamp_min(1e-12).sqrt()
        penalty = GRADIENT_PENALTY * (norms - 1).square().mean()
        drift = DRIFT * (one.square().mean() + other.square().mean())
        return one.mean() - other.mean() + penalty + drift

    def phase(self) -> Phase:
        """The phase that trains the critic."""
        return Phase(self.phase_name, list(self.adversary.parameters()), n_steps=self.n_steps)


class PairCritic(nn.Module):
    """A number for each pair of a row and a code.

    Parameters
    ----------
    n_features, latent_dim : int
        Dimensions of rows and codes.
    source : torch.Generator
        Source of the weights.
    """

    def __init__(self, n_features: int, latent_dim: int, source: torch.Generator) -> None:
        super().__init__()
        self.of_rows = mlp((n_features, CRITIC_WIDTH, CRITIC_FEATURES), source)
        self.of_codes = mlp((latent_dim, CRITIC_WIDTH, CRITIC_FEATURES), source)
        self.of_pairs = mlp((2 * CRITIC_FEATURES, CRITIC_WIDTH, 1), source)
        with lent(source):  # the vectors of the power iterations
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    spectral_norm(layer)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Values (n,) at rows (n, p) and codes (n, k)."""
        pairs = torch.cat([self.of_rows(x), self.of_codes(z)], dim=1)
        value: Tensor = self.of_pairs(pairs)[:, 0]
        return value


class CodeEntropy(Penalty):
    """Minus the entropy of the codes of each row, which keeps a stochastic encoder stochastic.

    Parameters
    ----------
    n_features : int
        Number of features p.
    weight : float or None
        Weight of the entropy in units of half the squared error of a row: the published term. None:
        calibrated, as in `NormalDivergence`, the factor 2 s^2 / p with the reconstruction error
        s^2; then the entropy is that relative to the prior, the part of the Kullback-Leibler
        divergence that depends on the variances, since the published term has no bound.
    """

    def __init__(self, n_features: int, weight: float | None = None) -> None:
        super().__init__("entropy", 1.0 if weight is None else weight)
        self.n_features, self.calibrated = n_features, weight is None

    def forward(self, batch: CodedBatch, generator: torch.Generator) -> Tensor:
        """Minus the entropy up to a constant, a mean over the rows, in nats."""
        del generator
        if batch.log_variances is None:
            raise ValueError("The entropy of codes needs a stochastic encoder.")
        if self.calibrated:
            return gaussian_kl(torch.zeros_like(batch.log_variances), batch.log_variances)
        return -0.5 * batch.log_variances.sum(1).mean()

    def factor(self, batch: CodedBatch) -> Tensor | float:
        """Weight of a nat relative to the mean squared error of a feature."""
        assert batch.error is not None
        variance = batch.error.detach() if self.calibrated else self.weight
        return 2 * variance / self.n_features


def gromov_value(D: Tensor, E: Tensor, epsilon: float) -> Tensor:
    """GW_eps between uniform distributions with distances D and E (n, n), 0-d, with gradients."""
    with torch.no_grad():
        solution = cold_solve(uniform_problem(D.detach(), E.detach()), epsilon)
    return cross_term(solution, D, E, epsilon)


def root_mean_square(D: Tensor) -> Tensor:
    """Root mean square of distances (n, n), 0-d; at least the smallest normal number."""
    return D.square().mean().clamp_min(torch.finfo(D.dtype).tiny).sqrt()


def relative(D: Tensor) -> Tensor:
    """Distances (n, n) over their root mean square."""
    return D / root_mean_square(D)


class _Squares(NamedTuple):
    """Squared distances over a unit: in a batch (n, n), in draws (m, m), and between (n, m)."""

    xx: Tensor
    yy: Tensor
    xy: Tensor


def _squares(x: Tensor, y: Tensor, unit: float) -> _Squares:
    pairs = (x, x), (y, y), (x, y)
    return _Squares(*(pairwise_distances(a, b).square() / unit for a, b in pairs))


def _discrepancy(squares: _Squares, weights: Tensor | None, scales: tuple[float, ...]) -> Tensor:
    """Unbiased maximum mean discrepancy between a batch and draws with weights (m,)."""
    n, m = squares.xy.shape
    w = squares.yy.new_ones(m) if weights is None else weights
    ones = squares.xx.new_ones(n)
    within_x = _kernel(squares.xx, scales, ones, ones, diagonal=False) / (n * (n - 1))
    within_y = _kernel(squares.yy, scales, w, w, diagonal=False) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel(squares.xy, scales, ones, w) / (n * m)


def _kernel(
    squares: Tensor, scales: tuple[float, ...], a: Tensor, b: Tensor, *, diagonal: bool = True
) -> Tensor:
    """Weighted sum of the kernel over all pairs, with or without those of a point with itself."""
    K = torch.stack([s / (s + squares) for s in scales]).mean(0)
    if not diagonal:
        K = K - torch.diag(K.diagonal())
    return a @ K @ b
