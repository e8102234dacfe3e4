"""Fits that are killed at a random moment and resumed, and fits beside a damaged checkpoint.

A killed fit has to end with the arrays of an uninterrupted fit, bit for bit, and to leave no file.
A fit beside a damaged checkpoint has to warn, to begin anew and to end with the same arrays; it
must not use the file in silence.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.common import Figures, parser, print_table, run, seeds, summary
from benchmarks.reliability.fits import FITS, digest, fitted, in_child, result_of
from skgw.exceptions import CheckpointWarning

KILLED = [*FITS][:5]
SILENT, ANEW = "used in silence", "begun anew"


def flip(content: bytes, noise: random.Random, n_bits: int = 1) -> bytes:
    damaged = bytearray(content)
    for _ in range(n_bits):
        damaged[noise.randrange(len(content))] ^= 1 << noise.randrange(8)
    return bytes(damaged)


def exchanged(content: bytes, noise: random.Random) -> bytes:
    """Two parts of 64 bytes exchanged."""
    i, j = sorted(noise.sample(range(0, len(content) - 64, 64), 2))
    return (
        content[:i] + content[j : j + 64] + content[i + 64 : j] + content[i : i + 64]
        + content[j + 64 :]
    )  # fmt: skip


def overwritten(content: bytes, noise: random.Random, byte: bytes = b"\0") -> bytes:
    """A block of zeros, as of a disk page that was not written."""
    start = noise.randrange(len(content))
    return content[:start] + byte * len(content[start : start + 4096]) + content[start + 4096 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a bit flipped": flip,
    "a bit of the header flipped": lambda c, noise: flip(c[:600], noise) + c[600:],
    "ten bits flipped": functools.partial(flip, n_bits=10),
    "truncated": lambda c, noise: c[: noise.randrange(1, len(c))],
    "empty": lambda c, noise: b"",
    "lengthened": lambda c, noise: c + noise.randbytes(noise.randrange(1, 99)),
    "zeros": overwritten,
    "parts exchanged": exchanged,
    "noise": lambda c, noise: noise.randbytes(len(c)),
    "of another run": lambda c, noise: other_checkpoint(),
}


def measure(what: str, kind: str, seed: int) -> Figures:
    return kill(kind, seed) if what == "kill" else damage(kind, seed)


def kill(fit: str, seed: int) -> Figures:
    """Kill a fit at a random moment of its time, and resume it."""
    expected, seconds = uninterrupted(fit)
    share = random.Random(f"{fit} {seed}").uniform(0.02, 0.98)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed = False
        while not killed:  # a quick fit may have ended before
            child = in_child(functools.partial(fit_in, folder, fit))
            time.sleep(share * seconds)
            os.kill(child, signal.SIGKILL)
            killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
            share *= 0.8
        left = [path.suffix for path in folder.iterdir()]
        found = result_of(functools.partial(fit_in, folder, fit))
        remains = len([*folder.iterdir()])
    return {
        "share": share / 0.8,
        "checkpoint": ".safetensors" in left,
        "partial": ".partial" in left,
        "same": found == expected,
        "left": remains,
    }


def damage(kind: str, seed: int) -> Figures:
    """Fit beside a damaged checkpoint."""
    fit = ("embedding", "vae")[seed % 2]
    expected, _ = uninterrupted(fit)
    name, content = checkpoint_of(fit)
    noise, damaged = random.Random(f"{kind} {seed}"), content
    while damaged == content:  # zeros may have been zeros before
        damaged = DAMAGES[kind](content, noise)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(damaged)
        text = result_of(functools.partial(fit_in, Path(folder), fit))
        remains = len([*Path(folder).iterdir()])
    warned, _, found = text.partition(" ")
    return {
        "fit": fit,
        "outcome": ANEW if warned == "1" else SILENT,
        "same": found == expected.partition(" ")[2],
        "left": remains,
    }


def fit_in(folder: Path, fit: str) -> str:
    """Whether a checkpoint was refused, and the digest of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = digest(fitted(fit, checkpoint=folder))
    refused = [w for w in caught if issubclass(w.category, CheckpointWarning)]
    named = all(str(folder) in str(w.message) for w in refused)
    return f"{int(bool(refused) and named)} {found}"


@functools.cache
def uninterrupted(fit: str) -> tuple[str, float]:
    """Text and seconds of an uninterrupted fit. The first fit of this process compiles."""
    with tempfile.TemporaryDirectory() as folder:
        fit_in(Path(folder), fit)
        start = time.perf_counter()
        expected = result_of(functools.partial(fit_in, Path(folder), fit))
        return expected, time.perf_counter() - start


@functools.cache
def checkpoint_of(fit: str) -> tuple[str, bytes]:
    """Name and content of the checkpoint of an interrupted fit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child = in_child(functools.partial(fit_in, folder, fit))
        while not (found := [*folder.glob("*.safetensors")]):
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return found[0].name, found[0].read_bytes()


def other_checkpoint() -> bytes:
    """A checkpoint of another fit."""
    return checkpoint_of("co-trained ae")[1]


def counted(name: str, value: object = True) -> Callable[[Sequence[Figures]], str]:
    return lambda records: str(sum(record[name] == value for record in records))


TABLES = {
    "kills": summary(
        {"fit": "kind"},
        {
            "checkpoint at the kill": counted("checkpoint"),
            "partial file at the kill": counted("partial"),
            "same result, bit for bit": counted("same"),
            "files left": counted("left", 1),
        },
        seeds="kills",
        where=lambda cell: cell["what"] == "kill",
    ),
    "damaged_checkpoints": summary(
        {"damage": "kind"},
        {
            "begun anew, with a warning": counted("outcome", ANEW),
            "used in silence": counted("outcome", SILENT),
            "same result, bit for bit": counted("same"),
            "files left": counted("left", 1),
        },
        seeds="files",
        where=lambda cell: cell["what"] == "damage",
    ),
}


def main() -> None:
    options = parser(__doc__, "kills", TABLES)
    options.set_defaults(seeds=20, threads=1)
    args = options.parse_args()
    cells = [
        {"what": what, "kind": kind, "seed": seed}
        for what, kinds in (("kill", KILLED), ("damage", DAMAGES))
        for kind in kinds
        for seed in seeds(args)
    ]
    rows = run(cells, measure, args)
    for table in TABLES.values():
        print_table(table.header, table.lines(rows))


if __name__ == "__main__":
    main()
