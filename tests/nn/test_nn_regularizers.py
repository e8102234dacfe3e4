import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.nn import centering_l1
from skgw.nn.regularizers import Regularizer, StylePenalty, TotalVariation


def points(n=6, k=4):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(0))


def test_a_penalty_for_each_point_is_averaged_at_its_scale():
    y = points()
    each = Regularizer("norm", 1.0, lambda z: z.square().sum(1), scale=3.0)
    assert_close(each(y), 9 * y.square().sum(1).mean())
    assert_close(Regularizer("l1", 1.0, centering_l1)(y), centering_l1(y))


@pytest.mark.parametrize(("penalty", "got"), [(lambda y: y, r"\(6, 4\)"), (lambda y: 3.0, "float")])
def test_other_returns_are_refused(penalty, got):
    with pytest.raises(ValueError, match=f"'style' must return a tensor .* got {got}"):
        Regularizer("style", 1.0, penalty)(points())


def test_a_classifier_for_another_dimension_is_named():
    style = Regularizer("style", 1.0, StylePenalty(nn.Linear(3, 2), 0))
    with pytest.raises(ValueError, match=r"style does not fit .* \(4, 2\): .*4x2 and 3x2"):
        style(torch.zeros(4, 2))


def test_a_style_is_the_cross_entropy_of_the_class():
    layer = nn.Linear(4, 3)
    y = points().requires_grad_()
    penalty = StylePenalty(layer, 2)(y)
    assert_close(penalty, -layer(y).log_softmax(1)[:, 2])
    penalty.sum().backward()
    assert y.grad.abs().sum() > 0
    assert layer.weight.grad is None


def test_the_classifier_of_a_style_stays_in_evaluation_mode():
    style = StylePenalty(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), 0)
    model = nn.Sequential(style).train()
    assert model.training
    assert_close(style(points()), style(points()))


@pytest.mark.parametrize("index", [3, -1])
def test_a_class_without_a_logit_is_refused(index):
    with pytest.raises(ValueError, match=f"with a class {index}; the classifier gives"):
        StylePenalty(nn.Linear(4, 3), index)(points())


def test_total_variation_by_hand():
    image = torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 0.0]])  # (h, w) = (2, 3)
    down, along = (0 + 0 + 3) / 3, (1 + 2 + 1 + 1) / 4
    assert_close(TotalVariation((1, 2, 3))(image.view(1, 6)), torch.tensor(down + along))


def test_total_variation_of_channels_is_their_mean():
    noise, black = points(5, 12), torch.zeros(5, 12)
    both = TotalVariation((2, 3, 4))(torch.cat([noise, black], 1))
    assert_close(both, TotalVariation((1, 3, 4))(noise) / 2)


def test_constant_images_have_no_variation():
    assert TotalVariation((2, 3, 4))(torch.full((5, 24), 7.0)) == 0
    assert TotalVariation((1, 1, 1))(points(5, 1)) == 0
