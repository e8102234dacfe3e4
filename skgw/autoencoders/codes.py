"""Distribution of the codes of training rows: its distance to the prior, and what samples it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.base.estimator import seeded
from skgw.nn import GaussianPrior, mmd
from skgw.nn.coded_domain import NormalMixture
from skgw.registration.normal_mixture import fit_normal_mixture

Array = NDArray[Any]

SAMPLERS = "prior", "gaussian-mixture"
MAX_MIXTURE = 20  # components of a fitted distribution of codes
MAX_FITTED = 10_000  # codes that a mixture is fitted to
MAX_COMPARED = 5000  # codes that are compared with the prior
N_PRIOR_DRAWS = 2000  # draws of the prior that codes are compared with


def code_distribution(codes: Array, sampler: str, rng: np.random.RandomState) -> NormalMixture:
    """The distribution that samples are drawn from.

    Parameters
    ----------
    codes : array of shape (n, k)
        Codes of the training rows.
    sampler : {"prior", "gaussian-mixture"}
        The standard normal distribution, or a mixture of up to 20 normal distributions that is
        fitted to (up to 10,000 of) the codes.
    rng : RandomState
        Source of the choice of the codes and of the fit.
    """
    if sampler == "prior":
        return NormalMixture.standard(codes.shape[1])
    if len(codes) > MAX_FITTED:
        codes = codes[rng.permutation(len(codes))[:MAX_FITTED]]
    return fit_normal_mixture(codes, MAX_MIXTURE, rng)


def prior_discrepancy(codes: Array) -> float:
    """Unbiased squared maximum mean discrepancy between codes and the standard normal distribution.

    The kernel is that of `skgw.nn.mmd`. The draws of the prior are the same in every call.

    Parameters
    ----------
    codes : array of shape (n, k)
        Of more than 5000 codes, 5000 evenly spaced ones are compared.

    Returns
    -------
    float
        Dimensionless, at most 14, and 0 on average for draws of the prior; NaN for a single code.
    """
    if len(codes) < 2:
        return float("nan")
    if len(codes) > MAX_COMPARED:
        codes = codes[np.linspace(0, len(codes) - 1, MAX_COMPARED).astype(int)]
    drawn = GaussianPrior(codes.shape[1])(N_PRIOR_DRAWS, seeded(0))
    return float(mmd(torch.as_tensor(codes, dtype=torch.float32), drawn))


def prior_diagnostics(codes: Array) -> dict[str, float]:
    """Distance between the distribution of codes (n, k) and the standard normal distribution.

    Returns
    -------
    dict
        "mmd": `prior_discrepancy`. "mean": norm of the mean, 0 for the prior. "smallest_sd" and
        "largest_sd": standard deviations along the narrowest and the widest principal axis, 1 for
        the prior.
    """
    codes = codes.astype(np.float64)
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(codes.T, bias=True))).clip(0)
    return {
        "mmd": prior_discrepancy(codes),
        "mean": float(np.linalg.norm(codes.mean(0))),
        "smallest_sd": float(np.sqrt(variances[0])),
        "largest_sd": float(np.sqrt(variances[-1])),
    }
