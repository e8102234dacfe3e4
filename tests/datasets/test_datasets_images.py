import gzip
import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.datasets import load_images

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 10
LABELS = np.array([3, 1, 4, 1], dtype=np.uint8)


def save(folder, **arrays):
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


def write_idx(path, array):
    header = bytes([0, 0, 0x08, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.mark.parametrize("by_folder", [False, True])
def test_an_archive_without_a_split(tmp_path, by_folder):
    path = save(tmp_path, X=IMAGES, y=LABELS)
    X, y, image_shape = load_images(tmp_path if by_folder else str(path))
    assert (X.dtype, y.dtype, image_shape) == (np.float32, np.int64, (1, 2, 3))
    assert_allclose(X.reshape(4, 2, 3), IMAGES / 255, rtol=1e-6)
    assert_array_equal(y, [3, 1, 4, 1])


@pytest.mark.parametrize(
    ("split", "rows"), [("train", [0, 1, 2]), ("test", [3]), ("all", range(4))]
)
def test_an_archive_with_a_split(tmp_path, split, rows):
    rows = list(rows)
    path = save(
        tmp_path, X_train=IMAGES[:3], y_train=LABELS[:3], X_test=IMAGES[3:], y_test=LABELS[3:]
    )
    X, y, _ = load_images(path, split=split)
    assert_allclose(X, IMAGES[rows].reshape(len(rows), -1) / 255, rtol=1e-6)
    assert_array_equal(y, LABELS[rows])


@pytest.mark.parametrize(
    ("split", "rows"), [("train", [0, 1, 2]), ("test", [3]), ("all", range(4))]
)
def test_idx_files(tmp_path, split, rows):
    for part, chosen in (("train", slice(0, 3)), ("t10k", slice(3, 4))):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", IMAGES[chosen])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", LABELS[chosen])
    rows = list(rows)
    X, y, image_shape = load_images(tmp_path, split=split)
    assert image_shape == (1, 2, 3)
    assert_allclose(X, IMAGES[rows].reshape(len(rows), -1) / 255, rtol=1e-6)
    assert_array_equal(y, LABELS[rows])


def test_colour_channels_move_to_the_front(tmp_path):
    images = np.random.RandomState(0).randint(256, size=(2, 4, 5, 3)).astype(np.uint8)
    X, _, image_shape = load_images(save(tmp_path, X=images, y=LABELS[:2]))
    assert image_shape == (3, 4, 5)
    assert_allclose(X.reshape(-1, *image_shape)[1, 2], images[1, :, :, 2] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 51, 204], np.uint8), [0, 0.2, 0.8]),  # 255 is white even if no pixel has it
        (np.array([0, 1, 1], np.uint8), [0, 1, 1]),
        (np.array([0.25, 0.5, 0.75]), [0.25, 0.5, 0.75]),
        (np.array([500, 1000, 2000], np.int16), [0.25, 0.5, 1]),
        (np.array([-1.0, 0.0, 1.0]), [0, 0.5, 1]),
        (np.array([True, False, True]), [1, 0, 1]),
    ],
)
def test_values_are_mapped_to_the_unit_interval(tmp_path, values, expected):
    X, _, _ = load_images(save(tmp_path, X=values.reshape(1, 1, 3), y=[0]))
    assert_allclose(X[0], expected, rtol=1e-6)


def test_both_splits_share_one_scale(tmp_path):
    low, high = np.full((1, 1, 1), 500), np.full((1, 1, 1), 2000)
    path = save(tmp_path, X_train=low, y_train=[0], X_test=high, y_test=[0])
    assert_allclose(load_images(path)[0], [[0.25]])
    assert_allclose(load_images(path, split="test")[0], [[1.0]])


def test_labels_can_have_another_name(tmp_path):
    path = save(tmp_path, X=IMAGES, obj=LABELS, angle=LABELS + 5)
    assert_array_equal(load_images(path, target="angle")[1], LABELS + 5)
    with pytest.raises(ValueError, match=r"obj \(4,\), .*Name the array of labels with target="):
        load_images(path)


def test_nothing_is_unpickled(tmp_path):
    path = save(tmp_path, X=IMAGES, y=np.array([{}, {}, {}, {}], dtype=object))
    with pytest.raises(ValueError, match="Objects are not unpickled"):
        load_images(path)


@pytest.mark.parametrize(
    ("arrays", "arguments", "message"),
    [
        ({"A": IMAGES}, {}, r"holds A \(4, 2, 3\); split='train' needs X_train or X\."),
        ({"X": IMAGES, "y": LABELS}, {"split": "test"}, r"split='test' needs X_test\."),
        ({"X_train": IMAGES}, {"split": "all"}, "needs X_train and X_test or X"),
        ({"X": IMAGES, "y": LABELS[:3]}, {}, "no labels 'y' for X"),
        ({"X": IMAGES.reshape(4, 6), "y": LABELS}, {}, r"shape \(4, 6\); expected \(n, h, w\)"),
        ({"X": IMAGES.reshape(4, 1, 3, 2), "y": LABELS}, {}, "channels last"),
        ({"X": IMAGES, "y": LABELS + 0.5}, {}, "must be 4 whole numbers"),
        ({"X": IMAGES + np.nan, "y": LABELS}, {}, "finite numbers"),
        ({"X": IMAGES[:0], "y": LABELS[:0]}, {}, "filled array"),
        ({"X": IMAGES, "y": LABELS}, {"split": "valid"}, "one of train, test, all"),
    ],
)
def test_bad_archives(tmp_path, arrays, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_images(save(tmp_path, **arrays), **arguments)


def test_a_folder_with_several_archives(tmp_path):
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, X=IMAGES, y=LABELS)
    with pytest.raises(
        ValueError, match=r"several archives \(a.npz, b.npz\); give the path of one"
    ):
        load_images(tmp_path)


def test_a_folder_without_archive_or_idx_files(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        ValueError, match=r"holds notes.txt; expected one \.npz archive, or train-im"
    ):
        load_images(tmp_path)


def test_an_absent_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_images(tmp_path / "mnist")


@pytest.mark.parametrize("value", [-5.0, 0.0, 7.0])
def test_images_of_one_value_are_finite(tmp_path, value):
    np.savez(tmp_path / "a.npz", X=np.full((2, 3, 3), value), y=[0, 1])
    X, _, _ = load_images(tmp_path)
    assert_array_equal(X, np.full((2, 9), float(value > 0), dtype=np.float32))


def test_labels_in_a_column(tmp_path):
    """As in the CIFAR archives of Keras."""
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 2, 2)), y=[[4], [5], [6]])
    assert load_images(tmp_path)[1].tolist() == [4, 5, 6]


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("change", ["cut", "garbage", "empty", "zip without arrays", "array"])
def test_damaged_archives_are_named(tmp_path, change):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.zeros((3, 2, 2)), y=[4, 5, 6])
    contents = {
        "cut": path.read_bytes()[:-30],
        "garbage": b"no archive",
        "empty": b"",
        "zip without arrays": b"PK\x03\x04" + bytes(60),
    }
    if change == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(contents[change])
    with pytest.raises(ValueError, match=r"a\.npz is damaged, or no \.npz archive of numbers"):
        load_images(path)


def test_a_file_of_another_format_is_named(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match=r"images\.npy is neither an \.npz archive nor an IDX"):
        load_images(path)
