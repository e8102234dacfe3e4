import pickle

import pytest
import torch
from torch.testing import assert_close

from skgw.training import Checkpoint


class Counter:
    """Something with a state."""

    def __init__(self, value=0.0):
        self.saved = {"value": torch.tensor(value), "nested": [{"x": 1}, "text"]}

    def state_dict(self):
        return self.saved

    def load_state_dict(self, saved):
        self.saved = saved


class Broken(Counter):
    def state_dict(self):
        return {**self.saved, "lambda": lambda: None}  # cannot be pickled


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "deep" / "run.pt")


def test_save_and_restore(checkpoint):
    checkpoint.save(Counter(3.0))
    other = Counter()
    assert checkpoint.restore(other)
    assert_close(other.saved["value"], torch.tensor(3.0))
    assert other.saved["nested"] == [{"x": 1}, "text"]


def test_nothing_to_restore(checkpoint):
    counter = Counter(5.0)
    assert not checkpoint.restore(counter)
    assert counter.saved["value"] == 5


def test_the_last_save_is_restored(checkpoint):
    for value in (1.0, 2.0):
        checkpoint.save(Counter(value))
    counter = Counter()
    checkpoint.restore(counter)
    assert counter.saved["value"] == 2
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["run.pt"]


def test_a_save_that_fails_leaves_the_last_one(checkpoint):
    checkpoint.save(Counter(1.0))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoint.save(Broken(2.0))
    counter = Counter()
    assert checkpoint.restore(counter)
    assert counter.saved["value"] == 1


def test_a_kill_while_writing_leaves_the_last_one(checkpoint, monkeypatch):
    checkpoint.save(Counter(1.0))

    def killed(state, path):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("torch.save", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(Counter(2.0))
    counter = Counter()
    assert checkpoint.restore(counter)
    assert counter.saved["value"] == 1
    checkpoint.save(Counter(3.0))  # over the remains
    checkpoint.restore(counter)
    assert counter.saved["value"] == 3


def test_loading_runs_no_code(checkpoint, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    checkpoint.path.parent.mkdir()
    torch.save({"value": Payload()}, checkpoint.path)
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.restore(Counter())
    assert not (tmp_path / "ran").exists()


def test_removal(checkpoint):
    checkpoint.remove()  # nothing there yet
    checkpoint.save(Counter())
    checkpoint.remove()
    assert not checkpoint.path.exists()
