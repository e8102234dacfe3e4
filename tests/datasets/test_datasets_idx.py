import gzip
import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgw.datasets._idx import idx_pair, read_idx


def idx_bytes(code, shape, values):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + values


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_bytes_written_by_hand(tmp_path, compress):
    path = tmp_path / "file"
    path.write_bytes(compress(idx_bytes(0x08, (2, 1, 3), bytes([0, 1, 2, 253, 254, 255]))))
    assert_array_equal(read_idx(path), [[[0, 1, 2]], [[253, 254, 255]]])


def test_numbers_are_big_endian_in_the_file_and_native_in_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx_bytes(0x0B, (2,), struct.pack(">2h", 1, -300)))
    found = read_idx(path)
    assert_array_equal(found, [1, -300])
    assert found.dtype == np.dtype("int16")
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither an .npz archive nor an IDX file"),
        (b"PNG and more", "neither an .npz archive nor an IDX file"),
        (bytes([0, 0, 0x07, 1, 0, 0, 0, 0]), "neither an .npz archive nor an IDX file"),
        (idx_bytes(0x08, (3,), b"ab"), r"truncated or damaged.*\(3,\)"),
        (bytes([0, 0, 0x08, 3, 0, 0]), "truncated or damaged"),
        (gzip.compress(idx_bytes(0x08, (3,), b"abc"), mtime=0)[:-9], "truncated or damaged"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(path)


@pytest.mark.parametrize("pattern", ["{}-{}-{}-ubyte", "{}-{}.{}-ubyte", "{}-{}-{}-ubyte.gz"])
def test_pairs_by_name(tmp_path, pattern):
    names = [
        pattern.format(part, content, kind)
        for part in ("train", "t10k")
        for content, kind in (("images", "idx3"), ("labels", "idx1"))
    ]
    for name in names:
        (tmp_path / name).touch()
    train, test = (tuple(tmp_path / name for name in names[i : i + 2]) for i in (0, 2))
    assert idx_pair(tmp_path, "train") == [train]
    assert idx_pair(tmp_path, "test") == [test]
    assert idx_pair(tmp_path, "all") == [train, test]
    assert idx_pair(test[0], "train") == [test]


def test_only_one_of_a_pair_may_be_compressed(tmp_path):
    images, labels = tmp_path / "a-images-idx3-ubyte", tmp_path / "a-labels-idx1-ubyte.gz"
    images.touch()
    labels.touch()
    assert idx_pair(images, "train") == [(images, labels)]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"holds nothing; expected one \.npz archive, or t10k-images"
    ):
        idx_pair(tmp_path, "test")
    idx = struct.pack(">HBBi", 0, 8, 1, 2) + b"ab"
    images = tmp_path / "train-images-idx3-ubyte"
    images.write_bytes(idx)
    with pytest.raises(ValueError, match="expected train-labels-idx1-ubyte or"):
        idx_pair(tmp_path, "train")
    other = tmp_path / "pictures"
    other.write_bytes(idx)
    with pytest.raises(ValueError, match="no file of labels in its folder"):
        idx_pair(other, "train")


def test_sizes_have_no_sign(tmp_path):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(struct.pack(">HBBiii", 0, 8, 3, 4, -2, -2) + bytes(16))
    with pytest.raises(ValueError, match=r"truncated or damaged.*\(4, 4294967294, 4294967294\)"):
        read_idx(path)
