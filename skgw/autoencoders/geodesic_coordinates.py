"""Coordinates of rows whose Euclidean distances are lengths of paths through the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skgw.autoencoders.codes import Array
from skgw.nn import pairwise_distances
from skgw.registration.landmark_scaling import LandmarkScaling
from skgw.spaces import geodesic_space

N_NEIGHBORS = 15  # of the graph of the rows
MAX_LANDMARKS = 300
MAX_ROWS = 10_000  # of the graph
N_INTERPOLATED = 5  # nearest rows whose coordinates a row has
MIN_SQUARE = 1e-10  # added to squared distances, over the mean square of a row


class GeodesicCoordinates(nn.Module):
    """A map from rows to coordinates along the manifold of the training rows.

    Shortest paths lead from each row of a graph of nearest neighbours to landmarks, and landmark
    scaling turns their lengths into coordinates. A row outside of the graph has the mean of the
    coordinates of its nearest rows of the graph, weighted by inverse squared distances (Shepard
    1968), through which gradients pass.

    References
    ----------
    :cite:t:`desilva2004`.

    :cite:t:`shepard1968`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> angle = np.linspace(0, 1.5 * np.pi, 200)
    >>> arc = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> coordinates = GeodesicCoordinates().fit(arc, seed=0)
    >>> ends = coordinates(torch.as_tensor(arc[[0, -1]], dtype=torch.float32))
    >>> bool(abs((ends[0] - ends[1]).norm() - 1.5 * np.pi) < 0.05)  # the chord is 1.41
    True
    """

    rows: Tensor  # (r, p)
    places: Tensor  # (r, k)

    def __init__(self) -> None:
        super().__init__()
        for name in ("rows", "places"):
            self.register_buffer(name, torch.empty(0, 0), persistent=False)

    def fit(self, rows: Array, seed: int) -> GeodesicCoordinates:
        """Compute the coordinates of up to 10,000 of these rows (n, p)."""
        rng = np.random.RandomState(seed)
        some = rng.permutation(len(rows))[:MAX_ROWS]
        kept = np.asarray(rows[some], dtype=np.float64)
        space = geodesic_space(kept, N_NEIGHBORS, rng, max_anchors=MAX_LANDMARKS)
        places = LandmarkScaling.of(space.matrix, space.anchors).transform(space.matrix)
        self.rows, self.places = (
            torch.as_tensor(x, dtype=torch.float32, device=self.rows.device) for x in (kept, places)
        )
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Coordinates (n, k) of rows (n, p)."""
        with torch.no_grad():
            n_nearest = min(N_INTERPOLATED, len(self.rows))
            nearest = pairwise_distances(x, self.rows).topk(n_nearest, largest=False).indices
        squares = (x[:, None] - self.rows[nearest]).square().sum(2)  # (n, 5)
        weights = 1 / (squares + MIN_SQUARE * x.shape[1])
        return (weights[:, :, None] * self.places[nearest]).sum(1) / weights.sum(1, keepdim=True)
