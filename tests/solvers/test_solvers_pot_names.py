"""Names of POT get an error with the name of skgw."""

import inspect
import typing

import numpy as np
import pytest

from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.pot import LOSSES, NAMES

C = np.abs(np.subtract.outer(np.arange(4.0) ** 2, np.arange(4.0) ** 2))


@pytest.mark.parametrize("function", [solve_gromov, gw_divergence])
@pytest.mark.parametrize("name", NAMES)
def test_arguments(function, name):
    with pytest.raises(TypeError, match=rf"no argument '{name}', a name of POT: (use|leave)"):
        function(C, C, **{name: 1})


def test_the_new_names_are_arguments():
    """Each hint ``use name=`` names an argument of `solve_gromov`, and no name of POT is one."""
    arguments = inspect.signature(solve_gromov).parameters
    for name, hint in NAMES.items():
        assert name not in arguments
        if hint.startswith("use "):
            assert hint.split()[1].split("=")[0] in arguments


@pytest.mark.parametrize(("name", "new"), LOSSES.items())
def test_losses(name, new):
    with pytest.raises(ValueError, match=f"got '{name}', which is '{new}' here"):
        solve_gromov(C, C, loss=name)


def test_other_names_and_the_signature_are_unchanged():
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        solve_gromov(C, C, nonsense=1)
    assert list(inspect.signature(solve_gromov).parameters)[:5] == ["Ca", "Cb", "M", "a", "b"]
    assert "reg_scale" in typing.get_type_hints(solve_gromov)


def test_weights_in_the_place_of_the_cost():
    p = np.full(4, 0.25)
    with pytest.raises(ValueError, match=r"expected \(4, 4\): M is the cost .* weights are a="):
        solve_gromov(C, C, p, p)
    with pytest.raises(ValueError, match="weights are a="):
        solve_gromov(np.stack([C, C]), C, p)
