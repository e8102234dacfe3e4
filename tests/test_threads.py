"""Fits in threads give the results of fits one after the other, and leave the global state.

The number of threads follows the size of the work.
"""

import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from common_estimators import rows
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

from skgw import (
    Domains,
    GWCoTrainedAutoencoders,
    GWGenerativeEmbedding,
    GWMatcher,
    VariationalAutoencoder,
)
from skgw.embedding import Adversary, Generator, Penalties, Style
from skgw.exceptions import GWConvergenceWarning, warn_user, without_warnings
from skgw.solvers import solve_gromov
from skgw.threads import (
    _OF_PROCESS,
    ELEMENT_WORK,
    PLACES,
    WORK_PER_THREAD,
    _pools,
    allowed_threads,
    distances_work,
    each_on_a_thread,
    matrices_work,
    network_work,
    threads_by,
    threads_for,
)


def dropping(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 16), nn.Dropout(0.5), nn.Linear(16, n_outputs))


class Jitter(nn.Module):
    """Noise of the global generator in all modes."""

    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)


def jittering(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, n_outputs), Jitter())


class Noisy(torch.optim.SGD):
    """Langevin dynamics with noise of the global generator."""

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for weights in group["params"]:
                    weights += 1e-3 * torch.randn_like(weights)


def noisy_penalty(points):
    return (points * torch.rand_like(points)).square().sum(1)


SHORT = {"max_iter": 6, "batch_size": 16, "random_state": 0}
EMBEDDING = GWGenerativeEmbedding(n_generated=30, hidden_layer_sizes=(16,), **SHORT).set_params(
    generator=Generator(n_init_updates=5)
)
PAIR = GWCoTrainedAutoencoders(1, hidden_layer_sizes=(8,), n_init=1, **SHORT)
ESTIMATORS = {
    "embedding": EMBEDDING,
    "adversary": clone(EMBEDDING).set_params(adversary=Adversary("mlp", start=0, every=1)),
    "dropout": clone(EMBEDDING).set_params(generator=dropping, early_stopping=True),
    "optimiser": clone(EMBEDDING).set_params(optimizer=Noisy),
    "penalty": clone(EMBEDDING).set_params(penalties=Penalties(style=Style(noisy_penalty))),
    "variational": VariationalAutoencoder(hidden_layer_sizes=(8,), **SHORT),
    "co-trained": PAIR,
    "co-trained, dropout": clone(PAIR).set_params(network=dropping),
}


def fitted(estimator):
    """Arrays of a new fit."""
    new = clone(estimator)
    if isinstance(new, GWCoTrainedAutoencoders):
        new.fit(rows(40), rows(30, 3, seed=1))
        return new.embedding_, np.asarray(new.loss_curve_), new.sample(5, random_state=0)
    new.fit(rows(40))
    return (
        np.asarray(new.loss_curve_),
        new.transform(rows(9, seed=2)),
        new.sample(5, random_state=0),
    )


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")  # of short fits
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_threads_fit_the_same(estimator):
    before, expected = torch.get_rng_state(), fitted(estimator)
    found = joblib.Parallel(4, backend="threading")(
        joblib.delayed(fitted)(estimator) for _ in range(6)
    )
    for arrays in found:
        for one, other in zip(arrays, expected, strict=True):
            assert_array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["embedding", "adversary", "variational", "co-trained"])
def test_fits_of_networks_of_skgw_run_beside_the_lock(name, monkeypatch):
    def forbidden(*args):
        raise AssertionError("the global generator is touched")

    for module in ("global_generator", "networks"):
        monkeypatch.setattr(f"skgw.nn.{module}.lent", forbidden)
    fitted(ESTIMATORS[name])


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_module_with_noise_in_all_modes_is_seeded_in_training():
    estimator = clone(EMBEDDING).set_params(generator=jittering, early_stopping=True)
    one, other = (clone(estimator).fit(rows(40)) for _ in range(2))
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_curve_ == other.validation_curve_


# The number of threads by the size of the work.

LARGE = 4 * WORK_PER_THREAD


def of_thread():
    """Numbers of threads of torch and OpenMP in this thread; of MKL, 0 for those of OpenMP."""
    return [torch.get_num_threads(), *(pool.get() for pool in _pools()[0])]


def of_process():
    return [pool.get() for pool in _pools()[1]]


def in_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.fixture
def three_threads():
    """All libraries allow three threads."""
    before = torch.get_num_threads(), [pool.get() for pools in _pools() for pool in pools]
    torch.set_num_threads(3)
    for pools in _pools():
        for pool in pools:
            pool.set(3)
    yield
    torch.set_num_threads(before[0])
    for pool, n in zip([*_pools()[0], *_pools()[1]], before[1], strict=True):
        pool.set(n)


def test_the_libraries_are_found():
    assert len(_pools()[0]) >= 2  # of torch and scikit-learn
    assert len(_pools()[1]) >= 1  # BLAS


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(
    ("work", "n"), [(0, 1), (1.9 * WORK_PER_THREAD, 1), (2 * WORK_PER_THREAD, 2), (LARGE, 3)]
)
def test_work_occupies_threads_up_to_the_users_number(work, n):
    with threads_for(work):
        assert {*of_thread(), *of_process()} == {n}
        assert allowed_threads() == 3
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
def test_a_block_within_a_block_has_threads_of_its_own():
    with threads_for(0):
        with threads_for(LARGE):
            assert {*of_thread(), *of_process()} == {3}
            with threads_for(0):
                assert {*of_thread(), *of_process()} == {1}
        assert {*of_thread(), *of_process()} == {1}
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
def test_an_error_returns_the_settings():
    with pytest.raises(KeyError), threads_for(0):
        raise KeyError
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
def test_a_number_that_the_user_sets_within_a_block_stays():
    with threads_for(0):
        torch.set_num_threads(2)
        _pools()[1][0].set(2)
        with threads_for(0):
            pass
    assert torch.get_num_threads() == 2
    assert of_process()[0] == 2


def test_one_thread_stays_one_thread():
    with threads_for(LARGE):
        assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("three_threads")
def test_other_threads_keep_their_own_numbers():
    with threads_for(0):
        assert in_new_thread(torch.get_num_threads) == 3
        assert in_new_thread(allowed_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_the_smallest_block_counts_for_the_process():
    def outer_and_inner():
        with threads_for(0):
            inside = of_process()
        return inside, of_process()

    with threads_for(LARGE):
        inside, after = in_new_thread(outer_and_inner)
        assert (*set(inside), *set(after)) == (1, 3)
    assert set(of_process()) == {3}


@pytest.mark.usefixtures("three_threads")
def test_blocks_of_many_threads_return_the_settings():
    rng = np.random.default_rng(0)

    def visit(work):
        before = of_thread()
        with threads_for(work), threads_for(LARGE - work):
            time.sleep(1e-4)
        return before, of_thread()

    works = rng.choice([0, LARGE], 400)
    found = joblib.Parallel(8, backend="threading")(joblib.delayed(visit)(w) for w in works)
    assert all(before == after for before, after in found)
    assert set(of_process()) == {3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.usefixtures("three_threads")
def test_a_forked_child_forgets_the_blocks_of_other_threads():
    opened, forked = threading.Event(), threading.Event()

    def block():
        with threads_for(0):
            opened.set()
            forked.wait(10)

    other = threading.Thread(target=block)
    other.start()
    opened.wait(10)
    child = os.fork()
    if child == 0:
        os._exit(0 if not _OF_PROCESS.wanted and set(of_process()) == {3} else 1)
    forked.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.usefixtures("three_threads", "frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["embedding", "adversary", "variational", "co-trained"])
def test_small_fits_run_on_one_thread_and_as_on_one(name, monkeypatch):
    seen = set()
    step = torch.optim.Adam.step

    def watched(*args, **kwargs):
        seen.update(of_thread(), of_process())
        return step(*args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    found = fitted(ESTIMATORS[name])
    assert seen == {1}
    torch.set_num_threads(1)
    for one, other in zip(found, fitted(ESTIMATORS[name]), strict=True):
        assert_array_equal(one, other)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_matcher_and_a_solve_return_the_settings():
    GWMatcher(random_state=0).fit(rows(30), rows(30, 3))
    solve_gromov(np.eye(5), np.eye(5), reg=0.1)
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
def test_items_run_on_single_threads_beside_each_other_in_order():
    met = threading.Barrier(3, timeout=10)

    def visit(k):
        met.wait()  # three items at once, or an error
        return k, threading.get_ident(), {*of_thread(), *of_process()}, allowed_threads()

    found = [*each_on_a_thread(visit, range(6))]
    assert [k for k, *_ in found] == [*range(6)]
    assert threading.get_ident() not in {ident for _, ident, *_ in found}
    assert all(rest == [{1}, 1] for _, _, *rest in found)
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
def test_items_read_the_context_of_the_caller():
    with warnings.catch_warnings(), without_warnings(GWConvergenceWarning):
        warnings.simplefilter("error")
        [*each_on_a_thread(lambda _: warn_user("", GWConvergenceWarning), range(3))]


def test_items_of_one_thread_run_one_by_one_on_it():
    log = []

    def items():
        for k in range(2):
            log.append(f"item {k}")
            yield k

    def visit(k):
        log.append(f"visit {k}")
        return threading.get_ident()

    assert {*each_on_a_thread(visit, items())} == {threading.get_ident()}
    assert log == ["item 0", "visit 0", "item 1", "visit 1"]


@pytest.mark.usefixtures("three_threads")
def test_one_item_stays_on_the_calling_thread_with_its_settings():
    assert [*each_on_a_thread(lambda _: threading.get_ident(), [0])] == [threading.get_ident()]
    assert [*each_on_a_thread(lambda _: torch.get_num_threads(), [0])] == [3]
    assert [*each_on_a_thread(str, [])] == []


@pytest.mark.usefixtures("three_threads")
def test_an_error_of_an_item_is_raised():
    with pytest.raises(ZeroDivisionError):
        [*each_on_a_thread(lambda k: 1 / k, [1, 0, 2])]
    assert {*of_thread(), *of_process()} == {3}


@pytest.mark.usefixtures("three_threads")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_matching_is_the_same_on_one_thread_and_on_three():
    X, Y = rows(60), rows(70, 3)
    plans = []
    for n in (3, 1):
        torch.set_num_threads(n)
        plans.append(GWMatcher(random_state=0).fit(X, Y).plan_.toarray())
    assert_array_equal(*plans)


def test_work_of_networks():
    assert network_work(nn.Linear(4, 5), 10) == 10 * 25
    convolution = nn.Sequential(nn.Conv2d(2, 3, 4), nn.Linear(4, 5, bias=False))
    assert network_work(convolution, 1) == PLACES * 96 + 3 + 20


@pytest.mark.parametrize(
    ("sets", "work"),
    [
        ([np.zeros((10, 3)), None, 0.5], 10**2 * 3),
        ([np.zeros((4, 3)), np.zeros((10, 2))], 10**2 * 3),
        ([np.zeros((7, 10, 10))], 7 * 10**3),
        ([torch.zeros(6, 10, 3), [1, 2]], 6 * 10**2 * 3),
        ([np.zeros(10)], 10**2),
        ([[[1.0], [2.0]]], 4),
        ([5, np.float64(3)], 0),
        ([Domains(np.zeros((4, 3)), np.zeros((6, 2)))], 10**2 * 5),
    ],
)
def test_work_of_distances(sets, work):
    assert distances_work(*sets) == work


def test_work_of_matrices():
    assert (
        matrices_work(np.zeros((3, 10, 20)), np.zeros((5, 5)), "auto", None) == 600 * ELEMENT_WORK
    )


def test_a_function_has_threads_for_its_arguments(three_threads):
    @threads_by(distances_work)
    def threads(X, other=None):
        return torch.get_num_threads()

    large = np.zeros((2**14, 1))
    found = threads(large[:9]), threads(large), threads(large[:9], other=large)
    assert found == (1, 3, 3)
