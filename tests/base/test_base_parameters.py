"""Declared parameters, and parts of estimators."""

import inspect
import pickle

import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, VariationalAutoencoder
from skgw.base.parameters import POSITIVE, Part, param, part, parts_of, with_parameters
from skgw.base.trained import Optimizer, TrainedEstimator
from skgw.embedding import Adversary, Generator, GWOptimizer, Penalties, Prior, Style


@with_parameters
class Wheel(Part):
    """A wheel."""

    short_form = "size"

    size: float = param(POSITIVE, default=1.0, kw_only=False)


@with_parameters
class Trained(TrainedEstimator):
    """A car.

    Parameters
    ----------
    speed : float, default=3.0
        Kilometres per hour.
    tol : float, default=0.5
        An entry of its own.
    {training_parameters}
    """

    speed: float = param(POSITIVE, default=3.0, kw_only=False)
    wheel: Wheel | float | None = part(Wheel, POSITIVE, None, default=None)
    tol: float = param(default=0.5)


def test_the_signature_begins_with_own_parameters():
    signature = inspect.signature(Trained)
    assert list(signature.parameters)[:4] == ["speed", "wheel", "tol", "batch_size"]
    kinds = [p.kind for p in signature.parameters.values()]
    assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) == 1
    assert signature.parameters["tol"].default == 0.5
    assert signature.parameters["max_iter"].default == "auto"


def test_the_constructor_assigns_and_does_no_more():
    model = Trained(-1.0, wheel="round", batch_size=None)
    assert (model.speed, model.wheel, model.batch_size) == (-1.0, "round", None)
    assert set(vars(model)) == set(inspect.signature(Trained).parameters)


def test_constraints_are_inherited_unless_they_are_given():
    constraints = Trained._parameter_constraints
    assert constraints["tol"] == TrainedEstimator._parameter_constraints["tol"]
    assert constraints["speed"] == [POSITIVE]
    assert constraints["wheel"] == [POSITIVE, None, Wheel]


def test_the_docstring_has_every_parameter_once_with_its_default():
    doc = Trained.__doc__
    for name in inspect.signature(TrainedEstimator).parameters:
        assert doc.count(f"\n    {name} :") == 1
    assert "batch_size : int, default=256\n        Rows per mini-batch." in doc
    assert "An entry of its own." in doc
    assert "{" not in doc.replace('{"adam", "adamw", "rmsprop", "sgd"}', "")


@pytest.mark.parametrize("estimator", [GWGenerativeEmbedding, GWCoTrainedAutoencoders])
def test_docstrings_state_every_parameter_and_its_default(estimator):
    for name, parameter in inspect.signature(estimator).parameters.items():
        assert f"{name} :" in estimator.__doc__ or f"{name}, " in estimator.__doc__, name
        entry = estimator.__doc__.partition(f"\n    {name} :")[2].partition("\n        ")[0]
        if entry:
            assert f"default={parameter.default!r}".replace("'", '"') in entry.replace("'", '"')


def test_the_embedding_has_at_most_24_parameters():
    assert len(inspect.signature(GWGenerativeEmbedding).parameters) <= 24


def test_parts_are_read_from_short_forms():
    assert Wheel.read(2.0).size == 2.0
    wheel = Wheel(3.0)
    assert Wheel.read(wheel) is wheel
    with pytest.raises(ValueError, match="The 'size' parameter of Wheel must be"):
        Wheel.read(-1.0)


def test_a_part_whose_parameters_have_no_effect_is_refused():
    """An optimiser of the embedding says how its batches are drawn; others draw no such batches."""
    model = VariationalAutoencoder(optimizer=GWOptimizer(stratified=False), max_iter=1)
    with pytest.raises(ValueError, match=r"A GWOptimizer has parameters .* use Optimizer"):
        model.fit([[0.0, 1.0], [1.0, 2.0]])


def test_set_params_reaches_into_short_forms():
    model = Trained(wheel=2.0)
    assert model.set_params(wheel__size=4.0).wheel == Wheel(4.0)
    assert model.set_params(wheel=5.0, wheel__size=6.0).wheel == Wheel(6.0)
    with pytest.raises(ValueError, match=r"wheel=None has no parameters.* Set wheel to Wheel\(\)"):
        Trained().set_params(wheel__size=4.0)
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        model.set_params(colour__hue=1)
    with pytest.raises(ValueError, match="Invalid parameter 'hue'"):
        model.set_params(wheel__hue=1)


def test_parts_are_equal_by_their_parameters():
    assert Wheel(2.0) == Wheel(2.0) == pickle.loads(pickle.dumps(Wheel(2.0))) == clone(Wheel(2.0))
    assert Wheel(2.0) != Wheel(3.0)
    assert Prior() != Adversary()
    assert len({Wheel(2.0), Wheel(2.0)}) == 1


def test_parts_of_the_embedding():
    assert parts_of(GWGenerativeEmbedding) == {
        "generator": Generator,
        "adversary": Adversary,
        "penalties": Penalties,
        "optimizer": GWOptimizer,
    }


@pytest.mark.parametrize(
    ("params", "grid"),
    [
        ({"adversary": "mlp"}, {"adversary__weight": [9.0, 10.0]}),
        ({}, {"penalties__total_variation": [0.0, 0.1]}),
        ({}, {"generator__prior": [Prior(2), Prior(4)]}),
        ({"generator": "conv"}, {"generator__prior__n_components": [1, 2]}),
        ({}, {"optimizer__stratified": [True, False]}),
        (
            {"penalties": Penalties(style=Style(abs))},
            {"penalties__style__weight": [0.1, 1.0]},
        ),
    ],
    ids=str,
)
def test_searches_reach_every_part(params, grid):
    """As `GridSearchCV` does it: clone, then set."""
    for setting in ParameterGrid(grid):
        model = clone(GWGenerativeEmbedding(**params)).set_params(**clone(setting, safe=False))
        (name, value), *_ = setting.items()
        assert model.get_params()[name] == value


def test_penalties_by_name():
    assert Penalties.read("mean") == Penalties(mean=0.1)
    assert Penalties.read("l1") == Penalties(mean=0.0, l1=0.1)
    assert Penalties.read(None) == Penalties.read([]) == Penalties(mean=0.0)


def test_penalties_by_a_list():
    several = Penalties.read(["mean", "total_variation", abs, (max, 0.5)])
    assert several == Penalties(mean=0.1, total_variation=0.1, terms=[abs, (max, 0.5)])
    assert several.weighted_terms() == [(abs, 1.0), (max, 0.5)]
    assert Penalties.read(abs) == Penalties(mean=0.0, terms=[abs])
    assert Penalties.read((abs, 2)).weighted_terms() == [(abs, 2.0)]
    assert Penalties(terms=abs).weighted_terms() == [(abs, 1.0)]
    assert Penalties(terms=(abs, max)).weighted_terms() == [(abs, 1.0), (max, 1.0)]
    model = clone(GWGenerativeEmbedding(penalties=["l1", abs])).set_params(penalties__mean=0.3)
    assert model.penalties == Penalties(mean=0.3, l1=0.1, terms=[abs])


@pytest.mark.parametrize("penalties", [["mean", "l2"], ["l2"]])
def test_unknown_names_of_penalties(penalties):
    with pytest.raises(ValueError, match=r"'l2' is no Penalties\."):
        GWGenerativeEmbedding(penalties=penalties).fit([[0.0], [1.0], [3.0]])


@pytest.mark.parametrize("terms", [[3], (abs, -1), [(abs, float("nan"))], [("mean", 1.0)]])
def test_terms_are_checked(terms):
    for penalties in (Penalties(terms=terms), terms):
        with pytest.raises(ValueError, match=r"terms must be a callable, or a list"):
            GWGenerativeEmbedding(penalties=penalties).fit([[0.0], [1.0], [3.0]])


def test_set_params_replaces_an_optimizer_by_a_gw_optimizer():
    model = GWGenerativeEmbedding(optimizer=Optimizer("sgd"))
    model.set_params(optimizer__stratified=False)
    assert model.optimizer == GWOptimizer("sgd", stratified=False)


def test_set_params_adds_a_penalty_to_no_penalty():
    model = GWGenerativeEmbedding(penalties=None).set_params(penalties__l1=0.2)
    assert model.penalties == Penalties(mean=0.0, l1=0.2)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (GWGenerativeEmbedding(penalties="l2"), {"penalties__l1": 0.2}),
        (GWGenerativeEmbedding(), {"adversary__weight": 9.0}),
        (GWGenerativeEmbedding(), {"penalties__style__weight": 9.0}),
        (Generator(prior="uniform"), {"prior__latent_dim": 3}),
        (GWCoTrainedAutoencoders(translator="rotation"), {"translator__cycle_weight": 0.5}),
    ],
    ids=str,
)
def test_set_params_refuses_parameters_of_values_that_stand_for_no_part(model, params):
    """A rotation must not become a network, nor an unknown prior a normal distribution."""
    with pytest.raises(ValueError, match=r"has no parameters: .* is no [A-Z]\w+\. Set \w+ to"):
        model.set_params(**params)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (Style(abs, weight=-1.0), "The 'weight' parameter of Style"),
        (Style(), "The 'classifier' parameter of Style"),
    ],
)
def test_parts_within_parts_are_validated(style, message):
    with pytest.raises(ValueError, match=message):
        Penalties.read(Penalties(style=style))
    with pytest.raises(ValueError, match=message):
        GWGenerativeEmbedding(penalties=Penalties(style=style)).fit([[0.0], [1.0], [3.0]])


def test_an_optimizer_becomes_a_gw_optimizer():
    found = GWOptimizer.read(Optimizer("sgd", schedule="constant"))
    assert found == GWOptimizer("sgd", schedule="constant")
