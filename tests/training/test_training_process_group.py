"""Two processes of torchrun that train one model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import skgw
from skgw.training.process_group import ProcessGroup, current_process_group, join_process_group

SCRIPT = Path(__file__).parent / "_process_group_script.py"


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """Records of each of two processes, and the printed text."""
    folder = tmp_path_factory.mktemp("process_group")
    root = str(Path(skgw.__file__).parent.parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(folder)],
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [np.load(folder / f"rank{rank}.npz") for rank in (0, 1)], done.stdout


@pytest.fixture
def first(ranks):
    return ranks[0][0]


@pytest.fixture
def second(ranks):
    return ranks[0][1]


@pytest.mark.slow
def test_both_processes_join_the_group(first, second):
    for seen in (first, second):
        assert seen["size"] == 2
        assert_array_equal(seen["gathered"], [0, 10])


@pytest.mark.slow
def test_both_processes_descend_along_the_mean_gradient(first, second):
    """To the mean of their targets, 1 and 3, from the start of the first process."""
    assert_array_equal(first["x"], second["x"])
    assert 0.1 < first["x"][0] < 2
    assert_allclose(first["losses"][0], 1.5)  # three coordinates, one away from its target
    target, x = 2.0, 0.0
    options = {"learning_rate": 1.0, "max_iter": 6}
    for step in range(2):  # the weights of the best validation are kept, here of the first one
        cosine = 0.5 * (1 + np.cos(np.pi * step / options["max_iter"]))
        x -= options["learning_rate"] * (step + 1) / 50 * cosine * (x - target)
    assert_allclose(first["x"], x, rtol=1e-5)


@pytest.mark.slow
def test_each_process_has_its_own_noise(first, second):
    assert len(set(first["draws"]) | set(second["draws"])) == 8


@pytest.mark.slow
def test_the_history_is_the_history_of_the_first_process(first, second):
    assert_array_equal(first["reports"], [2, 4])
    assert second["reports"].size == 0
    for name in ("n_iter", "losses", "validation"):
        assert_array_equal(first[name], second[name])
    assert first["n_iter"] == 4  # where it has asked to stop
    assert_array_equal(first["validation"], [1, 1])


@pytest.mark.slow
def test_a_resumed_training_ends_as_an_uninterrupted_training(first, second):
    for seen in (first, second):
        assert_array_equal(seen["resumed"], seen["whole"])
        assert_array_equal(seen["draws_resumed"], seen["draws_whole"])
    assert not np.array_equal(first["draws_whole"], second["draws_whole"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seeded", "unseeded"])
def test_a_fit_is_the_same_on_both_processes(first, second, name):
    for key in ("embedding", "loss_curve", "sample"):
        assert_array_equal(first[f"{name}_{key}"], second[f"{name}_{key}"])


@pytest.mark.slow
def test_the_seed_decides(first):
    assert_array_equal(first["seeded_embedding"], first["again_embedding"])
    assert not np.allclose(first["seeded_embedding"], first["unseeded_embedding"])


@pytest.mark.slow
def test_progress_is_shown_once(ranks):
    assert ranks[1].count("[GWGenerativeEmbedding] 6/6") == 3


# -------------------------------------------------------------------------------------- alone


def test_a_process_alone_is_a_group_of_one(monkeypatch):
    assert current_process_group() == ProcessGroup(0, 1)
    assert join_process_group(torch.device("cpu")) == ProcessGroup(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")  # not set by torchrun
    assert join_process_group(torch.device("cpu")) == ProcessGroup(0, 1)


def test_workers_of_a_process_stay_alone(monkeypatch):
    """They inherit its environment."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("multiprocessing.process._current_process._name", "LokyProcess-1")
    assert join_process_group(torch.device("cpu")) == ProcessGroup(0, 1)


def test_alone_nothing_changes():
    layer = torch.nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    gradient, weights = layer.weight.grad.clone(), layer.weight.detach().clone()
    noise = torch.Generator().manual_seed(5)
    ProcessGroup().average_gradients(layer.parameters())
    ProcessGroup().sync_parameters(layer)
    ProcessGroup().seed_by_rank(noise)
    assert torch.equal(layer.weight.grad, gradient)
    assert torch.equal(layer.weight, weights)
    assert noise.initial_seed() == 5
