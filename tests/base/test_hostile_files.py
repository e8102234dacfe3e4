"""Files of `save` that were changed by chance or by hand: `load` refuses them or can read them.

`benchmarks.reliability.hostile_files` also uses what is read, in processes with limits.
"""

import warnings

import pytest

from benchmarks.reliability.handmade import NAMES, handmade_file
from benchmarks.reliability.models import Model, calls, models
from benchmarks.reliability.mutations import DAMAGES, KINDS, hostile_file
from skgw import GWGenerativeEmbedding

N_FILES = 35  # of a kind; 1,015 files in all


@pytest.fixture(scope="module")
def fitted():
    return models()


@pytest.fixture(scope="module")
def originals(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    paths = {name: folder / f"{i}.safetensors" for i, name in enumerate(fitted)}
    for name, model in fitted.items():
        model.estimator.save(paths[name])
    return paths


def is_refused(model, path):
    """Whether `load` refuses a file, by the documented error."""
    try:
        type(model.estimator).load(path)
    except Exception as error:
        found = error
    else:
        return False
    assert type(found) is ValueError
    assert str(path) in str(found)
    assert len(str(found)) < 1000
    return True


def test_there_are_a_thousand_files():
    assert N_FILES * len(KINDS) >= 1000


def test_files_that_were_not_changed_can_be_used(fitted, originals):
    for name, model in fitted.items():
        loaded = type(model.estimator).load(originals[name])
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            for call in calls(Model(loaded, model.X, model.Y)):
                call()


def test_a_loaded_estimator_gives_the_same_file(fitted, originals, tmp_path):
    for name, model in fitted.items():
        type(model.estimator).load(originals[name]).save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == originals[name].read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_load_raises_the_documented_error_or_none(fitted, originals, tmp_path, kind):
    refused, path = 0, tmp_path / "hostile"
    for seed in range(N_FILES):
        name = [*fitted][(seed * 7 + KINDS.index(kind)) % len(fitted)]
        hostile_file(originals[name], kind, seed, path)
        refused += is_refused(fitted[name], path)
    if kind in DAMAGES:
        assert refused == N_FILES
    else:
        assert refused


@pytest.mark.parametrize("name", NAMES)
def test_files_made_by_hand_are_refused(fitted, originals, tmp_path, name):
    path = tmp_path / "hostile"
    model = handmade_file(name, originals, path)
    assert is_refused(fitted[model], path)


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        GWGenerativeEmbedding.load(tmp_path / "nothing")
