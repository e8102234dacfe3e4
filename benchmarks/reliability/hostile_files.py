"""Hostile files: `load` refuses them, or the estimator can be used.

Each file is read by a process of its own, with limits of memory and time, and every method of an
estimator that was loaded is called. Files are changed by chance (`mutations`; a seed chooses model
and change) or made by hand (`handmade`).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import Figures, parser, print_table, run, seeds, summary
from benchmarks.reliability.handmade import NAMES, handmade_file
from benchmarks.reliability.models import Model, calls, models
from benchmarks.reliability.mutations import KINDS, hostile_file

BY_HAND = "made by hand"
MEMORY = 2**30  # bytes that a file of some kilobytes may ask for
RESIDENT = 300  # MB that it may use, besides
PER_BYTE = 10  # bytes for each byte of the file
CPU_SECONDS = 10
SECONDS = 120  # of a busy machine
OUTCOMES = {
    "refused": "refused as documented",
    "used": "loaded, all methods work",
    "error": "loaded, error in a method",
    "undocumented": "undocumented error of load",
    "code": "code or another file",
    "crash": "crash",
    "time": "over time",
    "memory": "over memory",
}
CODE = ("exec", "compile", "import", "os.", "subprocess.", "socket.", "ctypes.", "pickle.")
FAILURES = ("undocumented", "code", "crash", "time", "memory")


def count(outcome: str) -> Callable[[Sequence[Figures]], str]:
    return lambda records: str(sum(record["outcome"] == outcome for record in records))


def largest(name: str, digits: int) -> Callable[[Sequence[Figures]], str]:
    return lambda records: f"{max((r[name] for r in records), default=0):.{digits}f}"


COLUMNS = {
    **{title: count(outcome) for outcome, title in OUTCOMES.items()},
    "longest load, s of CPU": largest("load_seconds", 2),
    "most memory, MB": largest("megabytes", 0),
}
TABLES = {"hostile_files": summary({"kind": "kind"}, COLUMNS, seeds="files")}


def measure(kind: str, seed: int) -> Figures:
    fitted, originals, folder = saved_models()
    path = folder / "hostile"
    remove(path)
    if kind == BY_HAND:
        name = handmade_file(NAMES[seed], originals, path)
    else:
        name = [*fitted][(seed * 7 + KINDS.index(kind)) % len(fitted)]
        hostile_file(originals[name], kind, seed, path)
    return {"model": name, **isolated(functools.partial(load_and_use, path, fitted[name]))}


@functools.cache
def saved_models() -> tuple[dict[str, Model], dict[str, Path], Path]:
    """Fitted models, their files, and a folder; all methods have run, and are compiled."""
    folder = Path(tempfile.mkdtemp(prefix="skgw-hostile-"))
    fitted, originals = models(), {}
    for i, (name, model) in enumerate(fitted.items()):
        originals[name] = folder / f"{i}.safetensors"
        model.estimator.save(originals[name])
        found = load_and_use(originals[name], model)
        assert found["outcome"] == "used", (name, found)
    return fitted, originals, folder


def load_and_use(path: Path, model: Model) -> Figures:
    """Load a file, and call every method of the estimator."""
    start, before = time.process_time(), peak_megabytes()
    outcome, detail = "used", ""
    loaded = None
    events = audited(path)
    try:
        loaded = type(model.estimator).load(path)
    except MemoryError as error:
        outcome, detail = "memory", repr(error)
    except Exception as error:
        documented = type(error) is ValueError and str(path) in str(error)
        outcome, detail = "refused" if documented else "undocumented", repr(error)
    seconds, n_events = time.process_time() - start, len(events)
    if loaded is not None:
        outcome, detail = use(model._replace(estimator=loaded))
    megabytes = peak_megabytes() - before
    size = path.stat().st_size / 2**20 if path.is_file() else 0
    if megabytes > RESIDENT + PER_BYTE * size:
        outcome = "memory"
    if n_events:
        outcome, detail = "code", str(events[0])
    return {
        "outcome": outcome,
        "load_seconds": seconds,
        "megabytes": megabytes,
        "detail": detail[:300],
    }


def use(model: Model) -> tuple[str, str]:
    """Call every method; the outcome, and the last error."""
    outcome, detail = "used", ""
    try:
        methods = calls(model)
    except Exception as error:
        methods = [functools.partial(raise_again, error)]
    for method in methods:
        try:
            method()
        except Exception as error:
            if isinstance(error, MemoryError) or "allocate" in str(error):
                return "memory", repr(error)
            outcome, detail = "error", repr(error)
    return outcome, detail


def audited(path: Path) -> list[tuple[Any, ...]]:
    """Events from now on: code that runs, and files that are opened besides `path`."""
    events = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        opens_other = event == "open" and str(arguments[0]) != str(path)
        if opens_other or event.startswith(CODE):
            events.append((event, *map(str, arguments)))

    sys.addaudithook(note)
    return events


def raise_again(error: Exception) -> None:
    raise error


def isolated(function: Callable[[], Figures]) -> Figures:
    """The result of a function in a process with limits, or how the process ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            limit()
            with warnings.catch_warnings(), os.fdopen(writer, "w") as file:
                warnings.simplefilter("ignore")
                json.dump(function(), file)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        if not select.select([file], [], [], SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
        text = file.read()
    _, status = os.waitpid(child, 0)
    if text:
        return dict(json.loads(text))
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    outcome = "time" if number in (signal.SIGKILL, signal.SIGXCPU) else "crash"
    return {"outcome": outcome, "load_seconds": 0, "megabytes": 0, "detail": f"signal {number}"}


def limit() -> None:
    """Limit address space and CPU time of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def main() -> None:
    options = parser(__doc__, "hostile_files", TABLES)
    options.set_defaults(seeds=40, threads=1)
    args = options.parse_args()
    cells: list[dict[str, Any]] = [{"kind": BY_HAND, "seed": i} for i in range(len(NAMES))]
    cells += [{"kind": kind, "seed": seed} for kind in KINDS for seed in seeds(args)]
    rows = run(cells, measure, args)
    table = TABLES["hostile_files"]
    print_table(table.header, table.lines(rows))
    for cell, figures in rows:
        if figures["outcome"] in FAILURES:
            print(cell, figures)


if __name__ == "__main__":
    main()
