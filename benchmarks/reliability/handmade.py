"""Hostile files made by hand: each aims at one way to crash or exhaust who loads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.mutations import Content, deep_header, metadata_file, nodes
from skgw.files import write_file

Edit = Callable[[Content], None]


def field(name: str, value: Any) -> Edit:
    """Set the fields of this name, at any depth of the state."""

    def edit(content: Content) -> None:
        found = [x for x in nodes(content) if x.key == name]
        assert found, name
        for place in found:
            place.set(value)

    return edit


def array(suffix: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the arrays whose names end with a suffix."""

    def edit(content: Content) -> None:
        found = [name for name in content.arrays if name.endswith(suffix)]
        assert found, suffix
        for name in found:
            content.arrays[name] = np.ascontiguousarray(change(content.arrays[name]))

    return edit


def entry(part: str, name: str, value: Any) -> Edit:
    """Set an entry of the parameters or of the state."""

    def edit(content: Content) -> None:
        content.header[part]["dict"][name] = value

    return edit


def several(*edits: Edit) -> Edit:
    def edit(content: Content) -> None:
        for one in edits:
            one(content)

    return edit


def filled(value: Any, at: Any = slice(None)) -> Callable[[np.ndarray], np.ndarray]:
    def change(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[at] = value
        return x

    return change


def wild_index_pointers(x: np.ndarray) -> np.ndarray:
    """Pointers far outside of the arrays, between a first and a last one that are right."""
    out = np.full_like(x, -(2**30))
    out[0], out[-1] = x[0], x[-1]
    return out


def sizes(*values: int) -> dict[str, list[int]]:
    return {"tuple": list(values)}


def nested_spaces(content: Content) -> None:
    """A space in a space in a space."""
    place = next(x for x in nodes(content) if x.key == "_reference_space")
    tree = place.value
    for _ in range(300):
        tree = {"object": "SaturatedSpace", "fields": {"space": tree, "reach": 1.0}}
    place.set(tree)


def wide_noise(content: Content) -> None:
    """Noise of 10**12 dimensions, read by a layer without units."""
    field("latent_dim", 10**12)(content)
    field("hidden_layer_sizes", sizes(0))(content)
    array("network.0.weight", lambda x: np.ones((0, 10**12), x.dtype))(content)


def long_plan(content: Content) -> None:
    """A lazy plan of 10**9 rows whose factors have no columns."""
    array("plan_.plan.left", lambda x: np.ones((10**9, 0)))(content)
    array("plan_.plan.right", lambda x: np.ones((len(x), 0)))(content)


def one_array_for_many(content: Content) -> None:
    """One array that 100,000 nodes name."""
    name = min(content.arrays)
    entry("state", "loss_curve_", {"list": 10**5 * [{"array": name}]})(content)


EMBEDDING, GRAPH, GEODESIC = "embedding", "embedding, graph", "embedding, geodesic"
MATCHER, AUTOMATIC, LAZY = "matcher", "matcher, automatic", "matcher, lazy plan"
COTRAINED, VARIATIONAL = "co-trained, networks", "variational"

EDITS: dict[str, tuple[str, Edit]] = {
    "pointers outside of a graph": (GRAPH, array("graph.2", wild_index_pointers)),
    "pointers that decrease": (GRAPH, array("graph.2", lambda x: x[::-1])),
    "columns outside of a graph": (GRAPH, array("graph.1", filled(10**6, 0))),
    "columns before a graph": (GRAPH, array("graph.1", filled(-7, 0))),
    "a graph of 10**12 columns": (GRAPH, array("graph.3", filled(10**12, 1))),
    "a graph without edges": (
        GRAPH, several(*(array(f"graph.{i}", lambda x: x[:0]) for i in (0, 1))),
    ),
    "anchors out of range": (EMBEDDING, array("anchors", filled(10**6, 0))),
    "anchors below zero": (GEODESIC, array("anchors", filled(-1, 0))),
    "more anchors than points": (EMBEDDING, array("anchors", lambda x: np.repeat(x, 9))),
    "layers of 10**5 x 10**5": (EMBEDDING, field("hidden_layer_sizes", sizes(10**5, 10**5))),
    "a million layers": (EMBEDDING, field("hidden_layer_sizes", sizes(*10**6 * (4,)))),
    "a layer of 2**62 units": (VARIATIONAL, field("hidden_layer_sizes", sizes(2**62))),
    "layers of the encoder": (VARIATIONAL, field("hidden_layer_sizes", sizes(10**5, 10**5))),
    "layers of the translation": (COTRAINED, field("hidden_layer_sizes", sizes(10**5, 10**5))),
    "10**9 components of the prior": (EMBEDDING, field("n_prior_components", 10**9)),
    "noise of 10**12 dimensions": ("embedding, images", field("latent_dim", 10**12)),
    "wide noise into no units": (EMBEDDING, wide_noise),
    "images of 10**9 pixels": ("embedding, images", field("output_shape", sizes(1, 10**5, 10**4))),
    "images of no pixels": ("embedding, images", field("output_shape", sizes(0, 0, 0))),
    "weights of NaN": (EMBEDDING, array("network.0.weight", filled(np.nan))),
    "weights in float64": (EMBEDDING, array("network.0.weight", lambda x: x.astype(float))),
    "transform is 1": (EMBEDDING, entry("state", "transform", 1)),
    "a parameter in the state": (EMBEDDING, entry("state", "metric", 5)),
    "a private method in the state": (EMBEDDING, entry("state", "_read", "x")),
    "a class attribute in the state": (EMBEDDING, entry("state", "chunk_size", 10**12)),
    "a dunder in the state": (EMBEDDING, entry("state", "__class__", "x")),
    "a folder for checkpoints": (EMBEDDING, entry("params", "checkpoint", "elsewhere")),
    "a path of checkpoints": (EMBEDDING, entry("params", "checkpoint", {"path": "/tmp"})),
    "a transformer": (MATCHER, entry("state", "transformer_x_", {"dict": {"transform": 1}})),
    "an unknown device": (EMBEDDING, entry("params", "device", "meta")),
    "a device of many digits": (EMBEDDING, entry("params", "device", "cuda:" + 5000 * "9")),
    "a parameter out of range": (EMBEDDING, entry("params", "epsilon", -1.0)),
    "a parameter of another type": (MATCHER, entry("params", "n_init", "many")),
    "an unknown parameter": (EMBEDDING, entry("params", "evil", 1)),
    "a dtype of 400 MB": (EMBEDDING, entry("state", "_dtype", "U100000000")),
    "a dtype of objects": (VARIATIONAL, field("dtype", "object")),
    "an output of another library": (
        EMBEDDING, entry("state", "_sklearn_output_config", {"dict": {"transform": "os"}}),
    ),
    "10**9 neighbours": (GEODESIC, field("n_neighbors", 10**9)),
    "no neighbours": (GEODESIC, field("n_neighbors", 0)),
    "an unknown metric": (EMBEDDING, field("metric", "nonsense")),
    "a metric with parameters": (EMBEDDING, field("metric", "mahalanobis")),
    "a metric of the whole matrix": (EMBEDDING, field("metric", "precomputed")),
    "a scale of zero": (EMBEDDING, entry("state", "_scale", 0.0)),
    "a regularisation of zero": (EMBEDDING, field("reg", 0.0)),
    "a tiny regularisation": (MATCHER, field("reg", 5e-324)),
    "a reach of NaN": ("matcher, refined", field("reach", float("nan"))),
    "spaces without an end": (EMBEDDING, nested_spaces),
    "no spaces": (AUTOMATIC, field("spaces", {"tuple": []})),
    "more scales than spaces": (AUTOMATIC, field("scales", {"tuple": 9 * [1.0]})),
    "a span of NaN": ("matcher, sparse", array("span.axes", filled(np.nan))),
    "a span of fewer rows": ("matcher, sparse", array("span.axes", lambda x: x[1:])),
    "reference rows out of range": (MATCHER, array("reference.0", filled(10**9, 0))),
    "a plan of 10**9 rows": (LAZY, long_plan),
    "a plan of two dtypes": (LAZY, array("plan.right", lambda x: x.astype(np.float32))),
    "a plan of one row": (LAZY, array("plan_.plan.left", lambda x: x[:1])),
    "shares above one": (COTRAINED, array(".weights", filled(2.0))),
    "shares below zero": (VARIATIONAL, array("_code_distribution.weights", filled(-1.0))),
    "matches out of range": (COTRAINED, array("_matches.0", filled(10**9, 0))),
    "a deterministic encoder": (VARIATIONAL, field("stochastic", False)),
    "another network": (
        VARIATIONAL, field("spec", {"object": "ResidualSpec", "fields": {"dim": 3}}),
    ),
    "an integer of 128 bits": (EMBEDDING, entry("state", "n_iter_", 2**127)),
    "features of another number": (EMBEDDING, entry("state", "n_features_in_", 10**9)),
    "100,000 names of features": (
        EMBEDDING, entry("state", "feature_names_in_", {"strings": 10**5 * ["x"]}),
    ),
    "one array for 100,000 nodes": (EMBEDDING, one_array_for_many),
}  # fmt: skip


def raw_header(path: Path, header: Any, data: bytes = b"") -> None:
    """A file of safetensors with any header, and without checks."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def tensor(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}}


FILES: dict[str, Callable[[Path], Any]] = {
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "a link to nothing useful": lambda path: path.symlink_to("/dev/zero"),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04\x8c\x02os\x8c\x06system\x93."),
    "a text": lambda path: path.write_text("GWGenerativeEmbedding()"),
    "a header without an end": lambda path: path.write_bytes(b"\xff" * 8 + b"{}"),
    "a header that is no JSON": lambda path: raw_header(path, b"[[[[" * 1000),
    "float8": lambda path: raw_header(path, tensor("F8_E4M3", [4], 0, 4), bytes(4)),
    "bfloat16": lambda path: raw_header(path, tensor("BF16", [2], 0, 4), bytes(4)),
    "a shape that overflows": lambda path: raw_header(path, tensor("F64", [2**40] * 3, 0, 8), b"x"),
    "offsets outside of the file": lambda path: raw_header(path, tensor("F32", [1], 2**40, 2**41)),
    "offsets backwards": lambda path: raw_header(path, tensor("F32", [1], 8, 4), bytes(8)),
    "the first format": lambda path: raw_header(
        path, {"__metadata__": {"format": "1", "class": "GWGenerativeEmbedding", "params": "{}"}}
    ),
    "no header of skgw": lambda path: raw_header(path, tensor("F32", [1], 0, 4), bytes(4)),
    "a header of text": lambda path: metadata_file(path, "text"),
    "a header of a number": lambda path: metadata_file(path, "7" * 10**6),
    "a header of null": lambda path: metadata_file(path, "null"),
    "a header of 100,000 levels": lambda path: metadata_file(path, deep_header(100_000)),
    "a header without a checksum": lambda path: metadata_file(path, '{"header": {}}'),
    "a header without anything": lambda path: write_file(path, {}, {}),
    "a class that is a list": lambda path: write_file(path, {"class": [1], "format": "2"}, {}),
}
NAMES = (*EDITS, *FILES)


def handmade_file(name: str, originals: dict[str, Path], path: Path) -> str:
    """Write the file of a name; return the name of the model whose class should read it."""
    if name in FILES:
        FILES[name](path)
        return EMBEDDING
    model, edit = EDITS[name]
    content = Content.of(originals[model]).copy()
    edit(content)
    write_file(path, content.header, content.arrays)
    return model
