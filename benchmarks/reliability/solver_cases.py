"""Random calls of `solve_gromov` and `gw_divergence` on 1 to 9 points: good, odd and bad input.

A call is a good problem with up to four changes, each of a kind with a name. Kinds of bad input
must be refused by a ValueError or TypeError; all other calls must give a result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import LowRank, PointCloud

MAX_SIZE = 9
MAX_CHANGES = 4


@dataclass
class Call:
    """The arguments of one call."""

    rng: np.random.Generator
    Ca: Any
    Cb: Any
    options: dict[str, Any] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    function: str = "solve_gromov"
    is_bad: bool = False  # must be refused
    may_be_refused: bool = False  # numbers that leave the range of the floating point type
    is_copy: bool = False  # the second space is the first one, in another order
    order: Any = None  # of the points of a copy

    @property
    def sizes(self) -> tuple[int, int]:
        return len(self.Ca), len(self.Cb)


Change = Callable[[Call], None]


def draw(seed: int) -> Call:
    """The call with this seed."""
    rng = np.random.default_rng(seed)
    call = SPACES[rng.choice(list(SPACES))](rng)
    call.options["reg"] = float(10 ** rng.uniform(-4, 0.5))
    if rng.random() < 0.3:
        call.function = "gw_divergence"
    if rng.random() < 0.3:
        with np.errstate(over="ignore"):
            call.Ca, call.Cb = (np.asarray(C, dtype=np.float32) for C in (call.Ca, call.Cb))
        call.kinds.append("float32")
    for name in rng.permutation(list(OPTIONS))[: rng.integers(0, MAX_CHANGES)]:
        _change(call, name, OPTIONS[name])
    if rng.random() < 0.3:
        name = rng.choice(list(ARRAYS))
        _change(call, name, ARRAYS[name])
    if rng.random() < 0.35:
        name = rng.choice(list(BAD))
        call.is_bad = True
        _change(call, name, BAD[name])
    _drop_conflicts(call)
    return call


def _change(call: Call, name: str, change: Change) -> None:
    change(call)
    call.kinds.append(str(name))


def _drop_conflicts(call: Call) -> None:
    """Leave out options that exclude each other, and those that the function lacks."""
    options = call.options
    if call.function == "gw_divergence" and not call.is_bad:
        for name in ("M", "alpha", "unbalanced", "mass", "n_init", "random_state"):
            options.pop(name, None)
    if options.get("unbalanced") is not None and not call.is_bad:
        options.pop("mass", None)
    if "M" not in options and not call.is_bad:
        options.pop("alpha", None)
    if (options.get("unbalanced") is not None or "mass" in options) and not call.is_bad:
        options.pop("n_init", None)
        if isinstance(options.get("init"), str) and options["init"] in ("flb", "tlb", "spectral"):
            options.pop("init")
    if isinstance(options.get("init"), str) and options["init"] == "identity" and not call.is_bad:
        call.Cb, call.is_copy = call.Ca, False
        for name in ("M", "alpha", "a", "b"):
            options.pop(name, None)


# ---------------------------------------------------------------------------------------- spaces


def _sizes(rng: np.random.Generator) -> tuple[int, int]:
    n, m = rng.integers(1, MAX_SIZE + 1, 2)
    return int(n), int(m)


def _clouds(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 3))
    return Call(rng, cdist(x, x), cdist(y, y), kinds=["clouds"])


def _copy(rng: np.random.Generator) -> Call:
    n, _ = _sizes(rng)
    x, order = rng.normal(size=(n, 2)), rng.permutation(n)
    C = cdist(x, x)
    moved = C[np.ix_(order, order)]
    return Call(rng, C, moved, kinds=["copy"], is_copy=True, order=order)


def _duplicates(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    x, y = (rng.integers(0, 2, size=(k, 2)).astype(float) for k in (n, m))
    return Call(rng, cdist(x, x), cdist(y, y), kinds=["duplicates"])


def _coincide(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    return Call(rng, np.zeros((n, n)), np.zeros((m, m)), kinds=["all points coincide"])


def _one_point(rng: np.random.Generator) -> Call:
    call = _clouds(rng)
    call.Ca, call.kinds = np.zeros((1, 1)), ["one point"]
    return call


def _line(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    x, y = np.arange(float(n))[:, None], np.arange(float(m))[:, None] ** 2
    return Call(rng, cdist(x, x), cdist(y, y), kinds=["points on a line"])


def _relations(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    A, B = rng.random((n, n)), rng.random((m, m))
    return Call(rng, A + A.T, B + B.T, kinds=["relations of no metric"])


def _directed(rng: np.random.Generator) -> Call:
    n, m = _sizes(rng)
    A, B = rng.uniform(0.1, 1, (n, n)), (rng.random((m, m)) < 0.3).astype(float)
    return Call(rng, A, B, kinds=["directed relations"])


def _cycle(rng: np.random.Generator) -> Call:
    n, m = (max(k, 3) for k in _sizes(rng))
    steps = (np.abs(np.subtract.outer(np.arange(k), np.arange(k))) for k in (n, m))
    A, B = (np.minimum(s, k - s).astype(float) for s, k in zip(steps, (n, m), strict=True))
    return Call(rng, A, B, kinds=["cycles"])


def _outlier(rng: np.random.Generator) -> Call:
    call = _clouds(rng)
    x = rng.normal(size=(len(call.Ca), 2))
    x[0] += 1e6
    call.Ca, call.kinds = cdist(x, x), ["one point far away"]
    return call


def _other_units(rng: np.random.Generator) -> Call:
    call = _clouds(rng)
    call.Cb, call.kinds = call.Cb * 10 ** rng.uniform(-6, 6), ["other units"]
    return call


def _scaled(rng: np.random.Generator) -> Call:
    call = (_copy if rng.random() < 0.5 else _clouds)(rng)
    exponent = rng.choice([-300, -170, -120, -30, -6, 6, 30, 120, 170, 300])
    call.Ca, call.Cb = call.Ca * 10.0**exponent, call.Cb * 10.0**exponent
    call.may_be_refused = abs(exponent) > 15
    call.kinds = ["extreme units"]
    return call


SPACES: dict[str, Callable[[np.random.Generator], Call]] = {
    "clouds": _clouds,
    "copy": _copy,
    "duplicates": _duplicates,
    "coincide": _coincide,
    "one point": _one_point,
    "line": _line,
    "relations": _relations,
    "directed": _directed,
    "cycle": _cycle,
    "outlier": _outlier,
    "other units": _other_units,
    "scaled": _scaled,
}


# --------------------------------------------------------------------------------------- options


def _set(**options: Any) -> Change:
    return lambda call: call.options.update(options)


def _odd(**options: Any) -> Change:
    def change(call: Call) -> None:
        call.options.update(options)
        call.may_be_refused = True

    return change


def _weights(call: Call) -> None:
    n, m = call.sizes
    call.options |= {"a": call.rng.dirichlet(np.ones(n)), "b": call.rng.dirichlet(np.ones(m))}
    call.is_copy = False


def _sparse_weights(value: float) -> Change:
    def change(call: Call) -> None:
        _weights(call)
        for name in ("a", "b"):
            w = call.options[name]
            if len(w) > 1:
                w[0] = value
                call.options[name] = w / w.sum()

    return change


def _fused(scale: float) -> Change:
    def change(call: Call) -> None:
        call.options["M"] = scale * call.rng.normal(size=call.sizes)
        call.may_be_refused |= abs(scale) > 1e15
        call.is_copy = False

    return change


def _given_plan(call: Call) -> None:
    plan = call.rng.random(call.sizes)
    call.options["init"] = plan / plan.sum()


OPTIONS: dict[str, Change] = {
    "loss KL": _set(loss="KL"),
    "KL shift 1": _set(loss="KL", kl_shift=1.0),
    "reg 1e-6": _set(reg=1e-6),
    "reg 1e-12": _set(reg=1e-12),
    "reg 1e-300": _odd(reg=1e-300),
    "reg 1e3": _set(reg=1e3),
    "reg 1e100": _odd(reg=1e100),
    "absolute reg": _odd(reg_scale=None),
    "torch backend": _set(backend="torch"),
    "torch backend again": _set(backend="torch"),
    "tol 1e-3": _set(tol=1e-3),
    "tol 1e-6": _set(tol=1e-6),
    "tol 1e-14": _set(tol=1e-14),
    "max_iter 1": _set(max_iter=1),
    "max_iter of numpy": _set(max_iter=np.int64(60)),
    "init product": _set(init="product"),
    "init flb": _set(init="flb"),
    "init tlb": _set(init="tlb"),
    "init spectral": _set(init="spectral"),
    "init identity": _set(init="identity"),
    "init plan": _given_plan,
    "n_init 3": _set(n_init=3, random_state=1),
    "weights": _weights,
    "weights of zero": _sparse_weights(0.0),
    "weights of 1e-12": _sparse_weights(1e-12),
    "fused": _fused(1.0),
    "fused, M of 1e-300": _fused(1e-300),
    "fused, M of 1e300": _fused(1e300),
    "alpha 0": _set(alpha=0.0),
    "alpha 1": _set(alpha=1),
    "mass 1/2": _set(mass=0.5),
    "mass near one": _set(mass=0.999),  # names have no dots, which part the names in records
    "mass 1e-6": _set(mass=1e-6),
    "mass 1": _set(mass=1),
    "unbalanced": _set(unbalanced=0.5),
    "unbalanced, 1e-3": _set(unbalanced=1e-3),
    "unbalanced, one side": _set(unbalanced=(0.3, np.inf)),
    "unbalanced, one side free": _set(unbalanced=(0.01, 0)),
    "unbalanced, infinite": _set(unbalanced=np.inf),
}


# ---------------------------------------------------------------------------------------- arrays


def _each_matrix(convert: Callable[[Any], Any]) -> Change:
    def change(call: Call) -> None:
        call.Ca, call.Cb = convert(call.Ca), convert(call.Cb)

    return change


def _as_torch(call: Call) -> None:
    dtype = call.Ca.dtype
    call.Ca, call.Cb = torch.tensor(call.Ca), torch.tensor(call.Cb)
    for name in ("M", "a", "b", "init"):
        if isinstance(call.options.get(name), np.ndarray):
            with np.errstate(over="ignore"):
                call.options[name] = torch.tensor(call.options[name].astype(dtype))


def _with_gradients(call: Call) -> None:
    _as_torch(call)
    call.Ca.requires_grad_()


def _batch(call: Call) -> None:
    call.Ca = np.stack([call.Ca, 0.5 * call.Ca, call.Ca])
    call.is_copy = False
    if call.rng.random() < 0.5:
        call.options["reg"] = np.array([1e-3, 1e-2, 1e-1])


def _integers(call: Call) -> None:
    if max(abs(call.Ca).max(), abs(call.Cb).max()) < 1e15:
        call.Ca, call.Cb = (np.rint(C).astype(int) for C in (call.Ca, call.Cb))


def _squared_cloud(call: Call) -> None:
    x, y = (call.rng.normal(size=(k, 2)) for k in call.sizes)
    call.Ca, call.Cb, call.is_copy = PointCloud(x), PointCloud(y, "sqeuclidean"), False


def _lazy(call: Call) -> None:
    _squared_cloud(call)
    kept = ("reg", "reg_scale", "tol", "max_iter", "a", "b", "n_init", "random_state")
    call.options = {name: call.options[name] for name in kept if name in call.options}
    call.options["plan"], call.function = "lazy", "solve_gromov"


def _read_only(C: np.ndarray) -> np.ndarray:
    C = C.copy()
    C.flags.writeable = False
    return C


ARRAYS: dict[str, Change] = {
    "Fortran order": _each_matrix(np.asfortranarray),
    "reversed view": _each_matrix(lambda C: C[::-1, ::-1].copy()[::-1, ::-1]),
    "read-only": _each_matrix(_read_only),
    "other byte order": _each_matrix(lambda C: C.astype(C.dtype.newbyteorder())),
    "mask without entries": _each_matrix(np.ma.array),
    "lists": _each_matrix(lambda C: C.tolist()),
    "integers": _integers,
    "batch": _batch,
    "tensors": _as_torch,
    "gradients": _with_gradients,
    "spaces": _squared_cloud,
    "lazy plan": _lazy,
}


# ------------------------------------------------------------------------------------------- bad


def _spoilt(spoil: Callable[[np.ndarray], Any]) -> Change:
    """Spoil a copy of one matrix."""

    def change(call: Call) -> None:
        name = "Ca" if call.rng.random() < 0.5 else "Cb"
        setattr(call, name, spoil(np.array(_plain(getattr(call, name)), dtype=float)))

    return change


def _plain(C: Any) -> Any:
    if isinstance(C, PointCloud | LowRank):
        return C.toarray()
    return C.detach().numpy() if isinstance(C, torch.Tensor) else C


def _entry(value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def spoil(C: np.ndarray) -> np.ndarray:
        C[..., 0, -1] = C[..., -1, 0] = value
        return C

    return spoil


def _masked(C: np.ndarray) -> Any:
    mask = np.zeros(C.shape, dtype=bool)
    mask[..., 0, 0] = True
    return np.ma.array(C, mask=mask)


def _one_bad(name: str, *values: Any, **others: Any) -> Change:
    def change(call: Call) -> None:
        call.options |= others
        call.options[name] = values[call.rng.integers(len(values))]

    return change


NAN, INF = float("nan"), float("inf")

BAD: dict[str, Change] = {
    "bad: NaN": _spoilt(_entry(NAN)),
    "bad: infinity": _spoilt(_entry(INF)),
    "bad: complex": _spoilt(lambda C: C.astype(complex)),
    "bad: strings": _spoilt(lambda C: C.astype(str)),
    "bad: objects": _spoilt(lambda C: C.astype(object)),
    "bad: sparse": _spoilt(lambda C: scipy.sparse.csr_array(C.reshape(-1, C.shape[-1]))),
    "bad: not square": _spoilt(lambda C: np.concatenate([C, C], -1)),
    "bad: empty": _spoilt(lambda C: C[..., :0, :0]),
    "bad: float16": _spoilt(lambda C: np.sign(C).astype(np.float16)),
    "bad: longdouble": _spoilt(lambda C: C.astype(np.longdouble)),
    "bad: masked": _spoilt(_masked),
    "bad: four axes": _spoilt(lambda C: C[None, None]),
    "bad: None": _spoilt(lambda _: None),
    "bad: meta tensor": _spoilt(lambda C: torch.empty(C.shape, device="meta")),
    "bad: weights": _one_bad("a", [-1.0, 2.0], [NAN], [0.5], "x", [[[1.0]]], [0.2] * 99),
    "bad: loss": _one_bad("loss", "l2", None, 2, ["L2"]),
    "bad: reg": _one_bad("reg", -1.0, NAN, INF, "x", None, True, [1.0, 2.0, 3.0, 4.0]),
    "bad: reg_scale": _one_bad("reg_scale", "mean", 1, True),
    "bad: kl_shift": _one_bad("kl_shift", -1.0, NAN, INF, "x", None, loss="KL"),
    "bad: tol": _one_bad("tol", 0, -1.0, NAN, INF, "x", True, [1e-3]),
    "bad: max_iter": _one_bad("max_iter", 0, -1, 1.5, NAN, True, "5", None),
    "bad: init": _one_bad("init", "random", None, 3, [1.0], [[NAN]]),
    "bad: backend": _one_bad("backend", "jax", None, 1),
    "bad: option": _one_bad("epsilon", 1.0),
}

BAD_OF_SOLVE: dict[str, Change] = {
    "bad: alpha": _one_bad("alpha", -0.1, 1.1, NAN, "x", True),
    "bad: mass": _one_bad("mass", 0, -1.0, 1.1, NAN, "x", True, [0.5]),
    "bad: unbalanced": _one_bad("unbalanced", -1.0, NAN, (1, 2, 3), (1.0,), "x", True, (1, None)),
    "bad: n_init": _one_bad("n_init", 0, 1.5, NAN, True, "2", None),
    "bad: random_state": _one_bad("random_state", "x", 1.5, (1,), 2**80, True),
    "bad: rank": _one_bad("rank", 0, 1.5, "x"),
    "bad: plan": _one_bad("plan", "sparse", None, 1),
}


def _of_solve(change: Change) -> Change:
    def whole(call: Call) -> None:
        call.function = "solve_gromov"
        change(call)

    return whole


BAD |= {name: _of_solve(change) for name, change in BAD_OF_SOLVE.items()}
