"""Hostile files: files of `save`, changed by chance or by hand.

A mutation changes the content of a file, a JSON header and arrays. The checksum is computed anew,
as someone who edits a file would do, except where the bytes themselves are changed.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from skgw.files import read_file, write_file

LARGE = (10**5, 10**9, 2**31, 2**40, 2**62, 10**30)
NUMBERS = (0, -1, 1, 2, 3, 0.5, *LARGE, -(2**62), 1e308, -1e308, 1e-308, math.nan, math.inf)
VALUES = (None, True, "", "x", "os.system", "1" * 5000, [], {}, [1], {"a": 1}, 0, 1.5)
SHADOWS = (
    "transform", "fit", "save", "metric", "checkpoint", "device", "__class__", "__dict__",
    "_device", "_read", "get_params", "fitted_state", "chunk_size",
)  # fmt: skip
TREES = (
    {"object": "Popen", "fields": {"args": "true"}},
    {"object": "MatrixSpace", "fields": {}},
    {"object": "Prior", "fields": {"latent_dim": 10**12}},
    {"pickle": "gASV"},
    {"path": "/etc/passwd"},
    {"csr": []},
    {"array": "0.nothing"},
    {"tuple": [1, 2]},
    {"list": []},
    {"dict": {}},
    {"strings": ["a", "b"]},
    {"strings": [1]},
)
DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint64", "bool")
HUGE_SHAPES = ((0,), (0, 10**12), (10**12, 0), (1,), (1, 1), ())


class Content(NamedTuple):
    """Header and arrays of a file."""

    header: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, path: Path) -> Content:
        return cls(*read_file(path))

    def copy(self) -> Content:
        return Content(copy.deepcopy(self.header), dict(self.arrays))


class Place(NamedTuple):
    """A node of the header: a container, and the key or position of the node in it."""

    container: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.container[self.key]

    def set(self, value: Any) -> None:
        self.container[self.key] = value


Mutation = Callable[[Content, random.Random], None]
MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str) -> Callable[[Mutation], Mutation]:
    def register(function: Mutation) -> Mutation:
        MUTATIONS[name] = function
        return function

    return register


def places(tree: Any) -> list[Place]:
    """All nodes below a node."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    found = []
    for key in keys:
        found.append(Place(tree, key))
        if isinstance(tree[key], dict | list):
            found += places(tree[key])
    return found


def nodes(content: Content) -> list[Place]:
    """All nodes of parameters and state."""
    return [x for part in ("params", "state") for x in places(content.header[part])]


def leaves(content: Content, *kinds: type) -> list[Place]:
    return [x for x in nodes(content) if type(x.value) in kinds]


def pick(rng: random.Random, content: Content, condition: Callable[[np.ndarray], bool]) -> str:
    """The name of an array that satisfies a condition, else of any array."""
    names = sorted(content.arrays)
    return rng.choice([name for name in names if condition(content.arrays[name])] or names)


@mutation("values of other types")
def _type(content: Content, rng: random.Random) -> None:
    rng.choice(leaves(content, bool, int, float, str, type(None))).set(rng.choice(VALUES))


@mutation("numbers")
def _number(content: Content, rng: random.Random) -> None:
    rng.choice(leaves(content, int, float)).set(rng.choice(NUMBERS))


@mutation("numbers that are arrays")
def _scalar(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: x.ndim == 0)
    content.arrays[name] = np.asarray(float(rng.choice(NUMBERS)))


@mutation("strings and names of classes")
def _string(content: Content, rng: random.Random) -> None:
    place = rng.choice(leaves(content, str))
    others = [x.value for x in leaves(content, str)]
    place.set(rng.choice([*others, "Popen", "precomputed", "U100000000", "meta", "é\0"]))


@mutation("subtrees")
def _tree(content: Content, rng: random.Random) -> None:
    rng.choice(nodes(content)).set(copy.deepcopy(rng.choice(TREES)))


@mutation("deleted keys and items")
def _delete(content: Content, rng: random.Random) -> None:
    place = rng.choice(nodes(content))
    del place.container[place.key]


@mutation("renamed keys")
def _rename(content: Content, rng: random.Random) -> None:
    place = rng.choice([x for x in nodes(content) if isinstance(x.container, dict)])
    other = rng.choice([x.key for x in nodes(content) if isinstance(x.key, str)])
    place.container[rng.choice([other, "evil_", ""])] = place.container.pop(place.key)


@mutation("added keys")
def _add(content: Content, rng: random.Random) -> None:
    part = rng.choice(["params", "state"])
    content.header[part]["dict"][rng.choice(SHADOWS)] = rng.choice(VALUES)


@mutation("copied subtrees")
def _duplicate(content: Content, rng: random.Random) -> None:
    source = copy.deepcopy(rng.choice(nodes(content)).value)
    rng.choice(nodes(content)).set(source)


@mutation("copied subtrees with copied arrays")
def _duplicate_arrays(content: Content, rng: random.Random) -> None:
    dicts = [x for x in nodes(content) if isinstance(x.value, dict)]
    source = copy.deepcopy(rng.choice(dicts).value)
    rng.choice(dicts).set({"list": [source]}["list"][0])
    used, fresh = set(), {}
    for place in nodes(content):
        if place.key in ("array", "scalar") and place.value in content.arrays:
            if place.value in used:
                fresh[f"{place.value}.{len(fresh)}"] = content.arrays[place.value]
                place.set([*fresh][-1])
            used.add(place.value)
    unused = content.arrays.keys() - used
    content.arrays.update(fresh)
    for name in unused:
        del content.arrays[name]


@mutation("swapped subtrees")
def _swap_trees(content: Content, rng: random.Random) -> None:
    one, two = rng.choice(nodes(content)), rng.choice(nodes(content))
    if one.value is not two.container and two.value is not one.container:
        first, second = copy.deepcopy(one.value), copy.deepcopy(two.value)
        one.set(second)
        two.set(first)


@mutation("swapped arrays")
def _swap(content: Content, rng: random.Random) -> None:
    one, two = rng.choices(sorted(content.arrays), k=2)
    content.arrays[one], content.arrays[two] = content.arrays[two], content.arrays[one]


@mutation("shapes")
def _reshape(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: x.size > 1)
    x = content.arrays[name]
    forms = (
        x.T, x.ravel(), x[None], x[..., None], x[:1], x[..., :1], x[:-1], np.repeat(x, 2, 0),
        x.reshape(x.shape[::-1]),
    )  # fmt: skip
    content.arrays[name] = np.ascontiguousarray(rng.choice(forms))


@mutation("empty and tiny arrays")
def _empty(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: True)
    content.arrays[name] = np.ones(rng.choice(HUGE_SHAPES), content.arrays[name].dtype)


@mutation("dtypes")
def _retype(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: True)
    with np.errstate(all="ignore"):
        content.arrays[name] = content.arrays[name].astype(rng.choice(DTYPES))


@mutation("positions out of range")
def _position(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: x.dtype.kind == "i" and x.size > 0)
    x = content.arrays[name].copy()
    if x.dtype.kind == "i" and x.size:
        limits = np.iinfo(x.dtype)
        choices = (-1, len(x), 10**3, -(2**30), limits.max, limits.min)
        x.flat[rng.randrange(x.size)] = rng.choice(choices)
    content.arrays[name] = x


@mutation("positions in another order")
def _shuffle(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: x.dtype.kind == "i" and x.size > 1)
    content.arrays[name] = np.ascontiguousarray(content.arrays[name][::-1])


@mutation("real numbers, NaN and infinity")
def _values(content: Content, rng: random.Random) -> None:
    name = pick(rng, content, lambda x: x.dtype.kind == "f" and x.size > 0)
    x = content.arrays[name].copy()
    if x.size and x.dtype.kind == "f":
        limit = float(np.finfo(x.dtype).max)
        value = rng.choice((math.nan, math.inf, -math.inf, limit, -limit, 0.0, -1.0))
        x.flat[rng.randrange(x.size) if rng.random() < 0.5 else slice(None)] = value
    content.arrays[name] = x


@mutation("sizes of networks")
def _network(content: Content, rng: random.Random) -> None:
    sizes = ((10**5, 10**5), (10**9,), 10**5 * (1,), 10**4 * (4,), (2**62, 2**62), (0,), (-4,), ())
    specs = [
        x
        for x in nodes(content)
        if x.key in ("hidden_layer_sizes", "output_shape", "image_shape")
        or (x.key in ("n_prior_components", "latent_dim", "n_outputs", "n_features", "dim"))
    ]
    if not specs:
        return _number(content, rng)
    place = rng.choice(specs)
    if place.key in ("hidden_layer_sizes", "output_shape", "image_shape"):
        return place.set({"tuple": list(rng.choice(sizes))})
    return place.set(rng.choice(LARGE))


@mutation("depth")
def _depth(content: Content, rng: random.Random) -> None:
    place = rng.choice(nodes(content))
    tree = place.value
    for _ in range(rng.choice((1, 10, 90, 200, 400))):
        tree = {rng.choice(["list", "tuple"]): [tree]}
    place.set(tree)


@mutation("long lists")
def _long(content: Content, rng: random.Random) -> None:
    lists = [x for x in nodes(content) if isinstance(x.value, list)]
    place = rng.choice(lists)
    place.set((place.value or [0]) * rng.choice((2, 1000, 10**4)))


@mutation("the header itself")
def _header(content: Content, rng: random.Random) -> None:
    key = rng.choice(sorted(content.header))
    if rng.random() < 0.3:
        del content.header[key]
    else:
        content.header[key] = rng.choice(VALUES)


ONCE = ("depth", "long lists", "sizes of networks")  # several of them would be written slowly


def mutated(content: Content, kind: str, seed: int, path: Path) -> None:
    """Write a file with one to three mutations of a kind."""
    rng, changed = random.Random(f"{kind} {seed}"), content.copy()
    for _ in range(1 if kind in ONCE else rng.choice((1, 1, 1, 2, 3))):
        try:
            MUTATIONS[kind](changed, rng)
        except (IndexError, KeyError, TypeError):  # an earlier mutation has left no such place
            break
    write_file(path, changed.header, changed.arrays)


def damaged(original: bytes, kind: str, seed: int, path: Path) -> None:
    """Write a file whose bytes are changed."""
    rng, content = random.Random(f"{kind} {seed}"), bytearray(original)
    DAMAGES[kind](content, rng)
    path.write_bytes(content)


def _truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 10))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _flip_header(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(min(len(content), 3000))] ^= 1 << rng.randrange(8)


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    content[at:at] = rng.randbytes(rng.choice((1, 8, 1000)))


def _length(content: bytearray, rng: random.Random) -> None:
    content[:8] = rng.choice((0, 1, 2**32, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")


def _digits(content: bytearray, rng: random.Random) -> None:
    """Replace a number of the header by very many digits."""
    size = int.from_bytes(content[:8], "little")
    text = bytes(content[8 : 8 + size])
    digits = b": " + b"7" * rng.choice((20, 400, 5000, 10**6))
    changed = (
        text.replace(b": 1", digits, 1) if rng.random() < 0.5 else text.replace(b": 0", digits)
    )
    content[: 8 + size] = len(changed).to_bytes(8, "little") + changed


def _other_format(content: bytearray, rng: random.Random) -> None:
    content[:] = rng.choice(
        (b"", b"{}", b"PK\x03\x04", b"\x80\x04K\x01.", b"\x93NUMPY", b"text\n", bytes(1000))
    )


DAMAGES = {
    "truncated": _truncate,
    "flipped bits": _flip,
    "flipped bits of the header": _flip_header,
    "inserted bytes": _insert,
    "length of the header": _length,
    "digits": _digits,
    "other formats": _other_format,
}
KINDS = (*MUTATIONS, *DAMAGES)


def hostile_file(original: Path, kind: str, seed: int, path: Path) -> None:
    """Write a hostile file of a kind, made from a file of `save`."""
    if kind in MUTATIONS:
        mutated(Content.of(original), kind, seed, path)
    else:
        damaged(original.read_bytes(), kind, seed, path)


def metadata_file(path: Path, text: str) -> None:
    """A file of safetensors whose header is any text."""
    save_file({}, path, metadata={"skgw": text})


def deep_header(levels: int) -> str:
    return json.dumps({"checksum": ""})[:-1] + ', "header": ' + "[" * levels + "]" * levels + "}"
