"""Generators with prescribed points, and objectives for generators."""

import numpy as np
import torch
from torch import nn

from skgw.embedding.anchor_distances import AnchorDistances
from skgw.embedding.objective import GenerationOptions, GenerativeObjective
from skgw.nn import PENALTIES, Generator, GeneratorSpec
from skgw.nn.priors import Prior
from skgw.nn.regularizers import Regularizer
from skgw.spaces import feature_space
from skgw.training.batches import stratified_order

N = 48
EPSILON = 0.02


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Recall(Prior):
    """Prior that returns the points of a table in order, for generators with prescribed points."""

    def __init__(self, table):
        super().__init__(table.shape[1])
        self.table = nn.Parameter(torch.as_tensor(table, dtype=torch.float32))

    def forward(self, n, generator, *, stratified=False):
        return self.table[torch.arange(n) % len(self.table)]


def recall(points):
    return Generator(Recall(points), nn.Identity(), points.shape[1])


def objective_for(
    X,
    generator,
    *,
    batch_size=N,
    penalty=None,
    held_out=(),
    scale=1.0,
    epsilon=EPSILON,
    regularizers=(),
    adversary=None,
    max_cached=4096,
    **options,
):
    if penalty is not None:
        regularizers = [Regularizer(penalty, 0.5, PENALTIES[penalty])]
    train_on = np.setdiff1d(np.arange(len(X)), held_out)
    space = AnchorDistances.of(feature_space(X, "euclidean"), max_cached)
    strata = min(batch_size, len(train_on))
    objective = GenerativeObjective(
        space,
        scale,
        generator,
        GenerationOptions(epsilon, batch_size, **options),
        order=stratified_order(space.between, train_on, strata, np.random.RandomState(0)),
        held_out=np.asarray(held_out, dtype=int),
        regularizers=regularizers,
        adversary=adversary,
    )
    return objective


def mlp_generator(seed=0, n_prior_components=8):
    return GeneratorSpec(2, 8, "mlp", (32, 32), n_prior_components).build(seed)
