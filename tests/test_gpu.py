"""Every trained estimator on a GPU: fits, outputs and files as on the CPU."""

import numpy as np
import pytest
import torch
from common_estimators import TRAINED, fit, rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

# Few updates of networks in float32: sums in another order, amplified by each update.
TOLERANCE = {"rtol": 1e-2, "atol": 1e-2}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]

pytestmark = [
    pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning"),
    pytest.mark.filterwarnings("ignore::skgw.exceptions.GWConvergenceWarning"),
]


@pytest.fixture(params=TRAINED)
def estimator(request):
    return clone(TRAINED[request.param])


@pytest.fixture
def on_cpu(estimator):
    return fit(clone(estimator), device="cpu")


def _rows_out(model):
    """A method from arrays to arrays, and its argument."""
    if hasattr(model, "transform"):
        return model.transform, rows(5)
    return model.inverse_transform, rows(5, model.n_components)


@pytest.mark.parametrize("device", DEVICES)
def test_fits_agree_with_the_cpu(estimator, on_cpu, device):
    found = fit(estimator, device=device)
    assert_allclose(found.loss_curve_, on_cpu.loss_curve_, **TOLERANCE)
    if hasattr(found, "transform"):
        assert_allclose(found.transform(rows(40)), on_cpu.transform(rows(40)), **TOLERANCE)
    samples = (model.sample(5, random_state=0) for model in (found, on_cpu))
    assert_allclose(*samples, **TOLERANCE)


@pytest.mark.parametrize("device", DEVICES)
def test_outputs_are_arrays_and_tensors_of_the_input(estimator, device):
    found = fit(estimator, device=device)
    method, given = _rows_out(found)
    assert isinstance(method(given), np.ndarray)
    Z = method(torch.as_tensor(given, device=device))
    assert isinstance(Z, torch.Tensor)
    assert Z.device.type == device
    assert_allclose(Z.cpu().numpy(), method(given), **TOLERANCE)


@pytest.mark.parametrize("device", DEVICES)
def test_files_are_read_without_the_device(estimator, device, tmp_path):
    """As on a machine without a GPU: the estimator computes on the CPU."""
    found = fit(estimator, device=device)
    found.save(tmp_path / "model")
    loaded = type(found).load(tmp_path / "model").set_params(device="cpu")
    one, other = (_rows_out(model) for model in (loaded, found))
    assert_allclose(one[0](one[1]), other[0](other[1]), **TOLERANCE)
    samples = (model.sample(5, random_state=0) for model in (loaded, found))
    assert_allclose(*samples, **TOLERANCE)
    if device == "cpu":
        assert_array_equal(one[0](one[1]), other[0](other[1]))
