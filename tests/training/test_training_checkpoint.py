"""Checkpoints: every state comes back bit for bit, and no damaged file is used."""

import copy
import errno
import math
import os
import resource
import threading
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from skgw.exceptions import CheckpointWarning
from skgw.files import read_file, write_file
from skgw.training import Checkpoint, Objective, Phase, TrainingOptions, train

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8,
    torch.bool, torch.complex64, torch.float8_e5m2,
]  # fmt: skip


class Holder:
    """Something with a state."""

    def __init__(self, state=None):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, saved):
        self.state = saved


@pytest.fixture
def checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "deep" / "run.safetensors")
    checkpoint.prepare()
    return checkpoint


def restored(checkpoint):
    holder = Holder()
    assert checkpoint.restore(holder)
    return holder.state


def names(checkpoint):
    return [path.name for path in checkpoint.path.parent.iterdir()]


# -------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0)], ids=str)
def test_tensors_come_back_bit_for_bit(checkpoint, dtype, shape):
    content = torch.randint(256, (*shape, dtype.itemsize), dtype=torch.uint8)
    content = content % 2 if dtype is torch.bool else content
    tensor = content.flatten().view(dtype).reshape(shape)  # NaN of any kind among them
    checkpoint.save(Holder({"x": tensor}))
    found = restored(checkpoint)["x"]
    assert (found.dtype, found.shape) == (dtype, tensor.shape)
    assert torch.equal(found.flatten().view(torch.uint8), tensor.flatten().view(torch.uint8))


def test_other_values_come_back(checkpoint):
    state = {
        "nested": [{"x": 1}, "text", (None, True, ())],
        "by number": {0: {"step": 3, "betas": (0.9, 0.99)}, 7: {}},
        "losses": [0.1, -math.inf, 1e-310],
        "mixed": [1.0, 2],
        "array": np.arange(3),
    }
    checkpoint.save(Holder(copy.deepcopy(state)))
    found = restored(checkpoint)
    assert np.array_equal(found.pop("array"), state.pop("array"))
    assert found == state
    assert type(found["mixed"][1]) is int


def test_a_view_comes_back_as_it_is_read(checkpoint):
    tensor = torch.arange(12.0).reshape(3, 4).T[::2]
    checkpoint.save(Holder({"x": tensor}))
    assert torch.equal(restored(checkpoint)["x"], tensor)


def test_an_ordered_dictionary_keeps_its_order(checkpoint):
    checkpoint.save(Holder({"weights": OrderedDict(b=1, a=2)}))
    assert list(restored(checkpoint)["weights"]) == ["b", "a"]


@pytest.mark.parametrize(
    "value", [lambda: None, {1, 2}, 1j, torch.float32], ids=["function", "set", "complex", "dtype"]
)
def test_a_value_that_code_would_have_to_rebuild_is_refused(checkpoint, value):
    checkpoint.save(Holder({"x": 1.0}))
    with pytest.raises(TypeError, match=r"Cannot save state\.values.*cannot be rebuilt"):
        checkpoint.save(Holder({"x": value}))
    assert restored(checkpoint) == {"x": 1.0}
    assert names(checkpoint) == ["run.safetensors"]


# ------------------------------------------------------------------------------- interruptions


def test_nothing_to_restore(checkpoint):
    holder = Holder({"x": 5})
    assert not checkpoint.restore(holder)
    assert holder.state == {"x": 5}


def test_the_last_save_is_restored(checkpoint):
    for value in (1.0, 2.0):
        checkpoint.save(Holder({"x": value}))
    assert restored(checkpoint) == {"x": 2.0}
    assert names(checkpoint) == ["run.safetensors"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_an_interrupted_save_leaves_the_last_one(checkpoint, monkeypatch, error):
    def fail(*args):
        raise error

    checkpoint.save(Holder({"x": 1.0}))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises((KeyboardInterrupt, OSError)) as caught:
            checkpoint.save(Holder({"x": 2.0}))
    if isinstance(error, OSError):
        assert str(checkpoint.path) in str(caught.value)
    assert restored(checkpoint) == {"x": 1.0}
    assert names(checkpoint) == ["run.safetensors"]


def test_a_file_without_room_is_an_error_that_names_it(checkpoint):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match=str(checkpoint.path)):
            checkpoint.save(Holder({"x": torch.zeros(10_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(checkpoint) == []


def test_what_a_killed_process_left_is_removed(checkpoint, monkeypatch):
    """Of this run only."""
    other = Checkpoint(checkpoint.path.with_name("other.safetensors"))
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: os._exit(1))
        for run in (checkpoint, other):
            child = os.fork()
            if not child:
                run.save(Holder({"x": 1.0}))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert len(names(checkpoint)) == 2
    checkpoint.prepare()
    (left,) = names(checkpoint)
    assert left.endswith(".partial")
    other.remove()
    assert names(checkpoint) == []


def test_two_processes_may_write_one_file(checkpoint, monkeypatch):
    """Drafts have different names, and a draft that another process has removed is repeated."""
    replace, drafts = os.replace, []

    def removed_once(draft, path):
        drafts.append(draft.name)
        if len(drafts) == 1:
            checkpoint.prepare()  # as another process does
        replace(draft, path)
        return path

    monkeypatch.setattr("pathlib.Path.replace", removed_once)
    checkpoint.save(Holder({"x": 1.0}))
    assert restored(checkpoint) == {"x": 1.0}
    assert len(set(drafts)) == 2
    assert names(checkpoint) == ["run.safetensors"]


def test_threads_may_write_one_file(checkpoint):
    def write(value):
        for _ in range(10):
            checkpoint.save(Holder({"x": torch.full((1000,), value)}))

    threads = [threading.Thread(target=write, args=(value,)) for value in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(restored(checkpoint)["x"].unique()) == 1
    assert names(checkpoint) == ["run.safetensors"]


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_to_is_an_error_that_names_it(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=str(tmp_path / folder)):
        Checkpoint(tmp_path / folder / "run.safetensors").prepare()


def test_removal(checkpoint):
    checkpoint.remove()  # nothing there yet
    checkpoint.save(Holder({}))
    checkpoint.remove()
    assert names(checkpoint) == []


# ------------------------------------------------------------------------------------- damage


class Bowl(Objective):
    """x -> (x - 3)^2, with noise."""

    def __init__(self, n=2, dtype=torch.float32):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(n, dtype=dtype))
        self.register_buffer("n_draws", torch.tensor(0))

    def phases(self):
        return [Phase("bowl", [self.x])]

    def losses(self, phase, generator):
        self.n_draws += 1
        noise = torch.randn(len(self.x), generator=generator, dtype=self.x.dtype)
        return {"loss": (self.x - 3 + noise).square().sum()}

    def validation_loss(self):
        return float((self.x.detach() - 3).square().sum())


OPTIONS = TrainingOptions(max_iter=6, report_every=2, learning_rate=0.1)


def trained(checkpoint=None, stop_at=None, **changes):
    """A training, and its history; `stop_at` leaves a checkpoint."""
    objective = Bowl(**changes)
    history = train(
        objective,
        OPTIONS,
        torch.Generator().manual_seed(0),
        report=lambda history: history.n_iter == stop_at,
        checkpoint=checkpoint,
    )
    return objective, history


@pytest.fixture
def content(checkpoint):
    """Bytes of a checkpoint after four of six iterations."""
    trained(checkpoint, stop_at=4)
    return checkpoint.path.read_bytes()


def assert_begins_anew(checkpoint, reason=""):
    """It warns once, by the name of the file, and ends as if there were no file."""
    expected, expected_history = trained()
    with pytest.warns(CheckpointWarning, match=reason) as caught:
        found, history = trained(checkpoint)
    assert str(checkpoint.path) in str(caught[0].message)
    assert "training begins anew" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert len(caught) == 1
    assert torch.equal(found.x, expected.x)
    assert history == expected_history
    assert found.n_draws == 6


def test_an_undamaged_file_is_used(checkpoint, content):
    found, history = trained(checkpoint)
    expected, expected_history = trained()
    assert torch.equal(found.x, expected.x)
    assert history == expected_history


def test_no_byte_can_change_unnoticed(checkpoint, content):
    """A bit of every 13th byte is flipped in turn."""
    used = []
    for at in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        checkpoint.path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CheckpointWarning)
            if checkpoint.restore(Holder()):
                used.append(at)
    assert used == []


DAMAGES = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "cut in the header": lambda content: content[:100],
    "cut by one byte": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "zeros": lambda content: bytes(len(content)),
    "zeros at the end": lambda content: content[:-64] + bytes(64),
    "twice": lambda content: 2 * content,
    "text": lambda content: b"a text of some length",
    "pickle": lambda content: b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "huge header": lambda content: b"\xff" * 8 + content[8:],
    "nested": lambda content: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_not_used(checkpoint, content, damage):
    checkpoint.path.write_bytes(damage(content))
    assert_begins_anew(checkpoint, "is damaged, or was not written by")
    again, _ = trained(checkpoint)  # the file has been replaced
    assert torch.equal(again.x, trained()[0].x)


def test_a_folder_in_its_place_is_not_used(checkpoint):
    checkpoint.path.mkdir()
    with pytest.warns(CheckpointWarning, match="it is no file"):
        assert not checkpoint.restore(Holder())


def test_a_file_of_another_program_is_not_used(checkpoint):
    save_file({"x": np.zeros(2)}, checkpoint.path, metadata={"format": "pt"})
    assert_begins_anew(checkpoint, "its header has another form")


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", None), ("kind", "Estimator"), ("format", "0"), ("run", "another"), ("version", "0")],
)
def test_a_file_of_another_run_or_version_is_not_used(
    checkpoint, content, monkeypatch, name, value
):
    header, arrays = read_file(checkpoint.path)
    if name == "version":
        monkeypatch.setattr("skgw.files.__version__", value)
    write_file(checkpoint.path, {**header, name: value}, arrays)
    monkeypatch.undo()
    assert_begins_anew(checkpoint, f"its {name} is {value!r}, expected")


def test_a_renamed_file_is_not_used(checkpoint, content):
    other = Checkpoint(checkpoint.path.with_name("other.safetensors"))
    checkpoint.path.rename(other.path)
    assert_begins_anew(other, "its run is 'run', expected 'other'")


def changed(checkpoint, change):
    """Write the file with another state."""
    state = restored(checkpoint)
    change(state["ranks"][0])
    checkpoint.save(Holder(state))


def set_nan(tensor):
    tensor[0] = math.nan


CHANGES = {
    "weights": lambda state: set_nan(state["objective"]["x"]),
    "best weights": lambda state: set_nan(state["best"]["x"]),
    "moments": lambda state: set_nan(state["optimizers"][0]["state"][0]["exp_avg"]),
    "missing weights": lambda state: state["objective"].pop("x"),
    "other weights": lambda state: state["objective"].update(y=torch.zeros(2)),
    "shape": lambda state: state["objective"].update(x=torch.zeros(3)),
    "dtype": lambda state: state["objective"].update(x=torch.zeros(2, dtype=torch.float64)),
    "text": lambda state: state["objective"].update(x="text"),
    "generator": lambda state: state.update(generator=torch.zeros(3, dtype=torch.uint8)),
    "no history": lambda state: state.pop("history"),
    "history": lambda state: state["history"].update(count=3),
    "optimisers": lambda state: state["optimizers"].append({}),
    "groups": lambda state: state["optimizers"][0]["param_groups"].clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_state_that_does_not_fit_is_not_used(checkpoint, content, change):
    """Nor is a part of it."""
    changed(checkpoint, change)
    assert_begins_anew(checkpoint)


def test_a_file_of_several_processes_is_not_used_by_one(checkpoint, content):
    state = restored(checkpoint)
    checkpoint.save(Holder({"ranks": 2 * state["ranks"]}))
    assert_begins_anew(checkpoint, "it holds the states of 2 processes")


def test_resuming_is_reported(checkpoint, content):
    seen = []
    train(
        Bowl(),
        OPTIONS,
        torch.Generator(),
        checkpoint=checkpoint,
        report_resumed=lambda history: seen.append(history.n_iter),
    )
    assert seen == [4]
    checkpoint.remove()
    train(Bowl(), OPTIONS, torch.Generator(), checkpoint=checkpoint, report_resumed=seen.append)
    assert seen == [4]
