"""Random calls of the solver, judged: what happened, and what should not have happened.

A seed stands for 500 calls on one thread. The judge computes objectives of its own, by sums over
all pairs, and reads from the arguments what a result must satisfy. *Faults* are crashes, calls of
more than 30 seconds, bad input that is accepted and good input that is refused, foreign warnings,
changed inputs, and results that are called converged and are wrong.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import entr, xlogy

from benchmarks.common import Figures, Rows, Table, parser, print_table, run, seeds
from benchmarks.reliability.solver_cases import Call, draw
from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import GromovResult, LowRank, PointCloud, gw_divergence, solve_gromov

FUNCTIONS = {"solve_gromov": solve_gromov, "gw_divergence": gw_divergence}
MAX_SECONDS = 30.0
CHUNK = 500
OUTCOMES = ("result", "not converged", "refused")
FAULTS = (
    "crash", "slow", "bad input accepted", "good input refused", "foreign warning",
    "warnings and status disagree", "input changed", "not finite", "negative", "wrong mass",
    "wrong marginals", "wrong value", "negative cost", "above the product coupling",
)  # fmt: skip
LIMITS = ("above the identity",)  # local minima: the problem is not convex


class Verdict(NamedTuple):
    """The outcome of a call, and the faults that were found."""

    outcome: str
    faults: list[str]
    seconds: float
    detail: str = ""


def judge(call: Call) -> Verdict:
    """Make a call and judge it."""
    before = _snapshot(call)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = FUNCTIONS[call.function](call.Ca, call.Cb, **call.options)
        except Exception as error:  # whatever is raised is an outcome
            seconds = time.process_time() - start
            return _refusal(call, error, seconds)
    seconds = time.process_time() - start
    faults = ["slow"] if seconds > MAX_SECONDS else []
    if call.is_bad:
        return Verdict("result", [*faults, "bad input accepted"], seconds)
    ours = [w for w in caught if issubclass(w.category, GWConvergenceWarning)]
    if len(ours) < len(caught):
        faults.append("foreign warning")
    if before != _snapshot(call):
        faults.append("input changed")
    if call.function == "gw_divergence":
        converged = not ours
        if converged and not np.isfinite(_array(result)).all():
            faults.append("not finite")
    else:
        converged = bool(np.all(_array(result.converged)))
        if len(ours) != (not converged):
            faults.append("warnings and status disagree")
        faults += faults_of(call, result)
    details = "; ".join(str(w.message) for w in caught)
    return Verdict("result" if converged else "not converged", faults, seconds, details)


def _refusal(call: Call, error: Exception, seconds: float) -> Verdict:
    faults = ["slow"] if seconds > MAX_SECONDS else []
    if not isinstance(error, ValueError | TypeError) or not str(error):
        faults.append("crash")
    elif not (call.is_bad or call.may_be_refused):
        faults.append("good input refused")
    return Verdict("refused", faults, seconds, f"{type(error).__name__}: {error}")


def _snapshot(call: Call) -> list[Any]:
    """The values of all arrays, as bytes."""
    arrays = [call.Ca, call.Cb, *(call.options[k] for k in sorted(call.options))]
    arrays = [x.detach() if isinstance(x, torch.Tensor) else x for x in arrays]
    plain = [x for x in arrays if isinstance(x, np.ndarray) and x.dtype != object]
    tensors = [x.numpy() for x in arrays if isinstance(x, torch.Tensor) and not x.is_meta]
    return [np.ascontiguousarray(x).tobytes() for x in [*plain, *tensors]]


def _array(x: Any) -> np.ndarray:
    return np.asarray(x.detach() if isinstance(x, torch.Tensor) else x)


# ------------------------------------------------------------------------------ what must hold


class Problem(NamedTuple):
    """One problem of a call in float64, for the judge's own sums."""

    Ca: np.ndarray
    Cb: np.ndarray
    M: np.ndarray | None
    a: np.ndarray
    b: np.ndarray
    alpha: float
    loss: str
    shift: float

    def energy(self, T: np.ndarray) -> float:
        """The cost of a plan of mass one."""
        Ca, Cb = (C + self.shift for C in (self.Ca, self.Cb))
        x, y = Ca[:, None, :, None], Cb[None, :, None, :]  # over i, j, k, l
        losses = (x - y) ** 2 if self.loss == "L2" else xlogy(x, x / y) - x + y
        quadratic = np.einsum("ijkl,ij,kl->", losses, T, T)
        linear = 0.0 if self.M is None else (self.M * T).sum()
        return float(self.alpha * quadratic + (1 - self.alpha) * linear)


def faults_of(call: Call, result: GromovResult) -> Iterator[str]:
    """The faults of the result of `solve_gromov`."""
    plans = np.asarray(result)
    if plans.ndim == 2:
        plans = plans[None]
    statuses = [result.status] if isinstance(result.status, str) else result.status
    fields = (np.atleast_1d(_array(x)) for x in (result.tol, result.reg, result.value, result.cost))
    for k, (tol, reg, value, cost) in enumerate(zip(*fields, strict=True)):
        one = plans[k].astype(np.float64)
        if statuses[k] != "non_finite" and not np.isfinite(one).all():
            yield "not finite"
        elif np.isfinite(one).all() and one.min() < 0:
            yield "negative"
        if statuses[k] == "converged":
            yield from _faults_of_converged(call, one, k, float(tol), float(reg), value, cost)


def _faults_of_converged(
    call: Call, T: np.ndarray, k: int, tol: float, reg: float, value: float, cost: float
) -> Iterator[str]:
    problem, options = read(call, k), call.options
    mass, unbalanced = options.get("mass"), options.get("unbalanced")
    eps = np.finfo(np.float32 if "float32" in call.kinds else np.float64).eps
    rounding = 100 * eps
    if problem.M is None and cost < 0:
        yield "negative cost"
    if not np.isfinite(value):
        yield "not finite"
    if unbalanced is not None:
        return
    if abs(T.sum() / (mass or 1.0) - 1) > tol + rounding:
        yield "wrong mass"
    if mass is not None:
        over = max((T.sum(1) - problem.a).max(), (T.sum(0) - problem.b).max())
        if over > tol * mass + rounding:
            yield "wrong marginals"
        return
    errors = abs(T.sum(1) - problem.a).sum() + abs(T.sum(0) - problem.b).sum()
    if errors > tol + rounding:
        yield "wrong marginals"
    yield from _faults_of_value(call, problem, T, tol + rounding, reg, float(value), float(cost))


def _faults_of_value(
    call: Call, problem: Problem, T: np.ndarray, tol: float, reg: float, value: float, cost: float
) -> Iterator[str]:
    a, b = problem.a, problem.b
    product = np.outer(a, b)
    size = problem._replace(M=None if problem.M is None else abs(problem.M)).energy(product)
    # A plan with an error of tol in L1 norm may be off by this much, in units of the objective.
    slack = 10 * tol * (size + _largest(problem) + reg * np.log(2 * T.size))
    if abs(problem.energy(T) - cost) > slack:
        yield "wrong value"
    init = call.options.get("init", "auto")
    init = init if isinstance(init, str) else "given"
    above = value > problem.energy(product) - reg * entr(product).sum() + slack
    if above and init in ("auto", "anneal", "product"):
        yield "above the product coupling"
    if call.is_copy and init in ("auto", "anneal"):
        identity = np.zeros_like(T)
        identity[call.order, np.arange(len(T))] = 1 / len(T)
        if value > problem.energy(identity) - reg * entr(identity).sum() + slack + 0.01 * reg:
            yield "above the identity"


def _largest(problem: Problem) -> float:
    largest = max(abs(problem.Ca).max(), abs(problem.Cb).max())
    return float(largest**2 if problem.loss == "L2" else largest * 5)


def read(call: Call, k: int) -> Problem:
    """Problem `k` of a call, from its arguments."""
    Ca, Cb = (
        C.toarray() if isinstance(C, PointCloud | LowRank) else _array(C)
        for C in (call.Ca, call.Cb)
    )
    Ca, Cb = (np.asarray(C[k] if C.ndim == 3 else C, dtype=np.float64) for C in (Ca, Cb))
    options = call.options
    n, m = len(Ca), len(Cb)
    a, b = (
        np.full(size, 1 / size) if options.get(name) is None else _array(options[name])
        for name, size in (("a", n), ("b", m))
    )
    loss, M = options.get("loss", "L2"), options.get("M")
    alpha = options.get("alpha", 1.0 if M is None else 0.5)
    shift = 0.0
    if loss == "KL":
        shift = options.get("kl_shift", 1e-2) * (0.5 * (a @ Ca @ a + b @ Cb @ b) or 1.0)
    M = None if M is None or alpha == 1 else _array(M).astype(np.float64)
    return Problem(Ca, Cb, M, a, b, float(alpha), loss, shift)


# ----------------------------------------------------------------------------------- many calls


def run_calls(seeds: range, *, report: bool = True) -> tuple[dict[str, Counter[str]], float]:
    """Counts of outcomes and faults by kind of input, and the longest time of a call in seconds."""
    counts: dict[str, Counter[str]] = {"all": Counter()}
    longest = 0.0
    for seed in seeds:
        call = draw(seed)
        with np.errstate(all="ignore"):
            verdict = judge(call)
        longest = max(longest, verdict.seconds)
        for kind in ("all", call.function, *call.kinds):
            found = counts.setdefault(kind, Counter())
            found.update(["calls", verdict.outcome, *verdict.faults])
        serious = [fault for fault in verdict.faults if fault not in LIMITS]
        if report and serious:
            print(seed, call.kinds, serious, f"{verdict.seconds:.1f} s", verdict.detail, flush=True)
    return counts, longest


def measure(seed: int) -> Figures:
    """The counts of one chunk of calls."""
    _compile()
    counts, longest = run_calls(range(CHUNK * seed, CHUNK * (seed + 1)))
    return {"counts": {kind: dict(found) for kind, found in counts.items()}, "longest": longest}


def _lines(rows: Rows) -> list[list[str]]:
    """A line for each kind of input, over all chunks."""
    totals: dict[str, Counter[str]] = {}
    for _, figures in rows:
        for kind, found in figures["counts"].items():
            totals.setdefault(kind, Counter()).update(found)
    return [
        [
            kind,
            *(str(found[name]) for name in ("calls", *OUTCOMES)),
            str(sum(found[fault] for fault in FAULTS)),
            *(str(found[name]) for name in LIMITS),
        ]
        for kind, found in sorted(totals.items(), key=lambda item: (item[0] != "all", item[0]))
    ]


HEADER = ["kind", "calls", "results", "not converged", "refused", "faults", *LIMITS]
TABLES = {"solver_fuzz": Table(HEADER, _lines)}


def main() -> None:
    options = parser(__doc__, "solver_fuzz", TABLES)
    options.set_defaults(seeds=20, threads=1)
    args = options.parse_args()
    found = run([{"seed": seed} for seed in seeds(args)], measure, args)
    table = TABLES["solver_fuzz"]
    print_table(table.header, table.lines(found))
    print(f"longest call: {max(figures['longest'] for _, figures in found):.1f} s")


@functools.cache
def _compile() -> None:
    """Let numba compile, so that no call is charged for it."""
    for dtype in (np.float32, np.float64):
        C = np.ones((3, 3), dtype=dtype)
        solve_gromov(C, C, mass=0.5)
        solve_gromov(C, C)
        gw_divergence(C, C)


if __name__ == "__main__":
    main()
