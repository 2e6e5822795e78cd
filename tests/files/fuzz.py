"""Damaged and lying files by the thousand: each must be refused with an error of foldnet's, or read rightly.

    python fuzz.py FIRST COUNT

makes the files of the numbers from FIRST on, always the same for a number, opens each, and prints a line for every one
that went wrong: a foreign exception, a message too long, more than 2 seconds of the processor (or ever waiting), more
than 600 MB, a changed network where a checksum should have told, numbers that are not finite. What a number makes
depends on its remainder: bytes of a ``.keras`` (whose checksums must find all damage) or of a ``.h5``; bytes of the
weights inside a ``.keras`` whose checksums are mended, as a liar would; values, keys and names of the configuration
in either, and of an architecture whose weights are beside it.

A changed weight, name or setting in a file without checksums, or with mended ones, makes a file as good as any other.
So there the promise is less: what comes out is a whole network, with finite weights in the shapes that its
configuration gives, that predicts, says its settings, tells its summary and can be saved, or is refused by name.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np

import foldnet
from foldnet.errors import LONGEST, FoldnetError

FORMATS = Path(__file__).parent.parent / "fixtures" / "formats"
ARCHIVES = [
    "keras-3.8.0-table.keras", "keras-3.12.0-joined.keras", "tf_keras-2.21-axes.keras",
    "../operations/tf-2.15-mixed.keras", "../operations/tf_keras-2.21-mixed.keras",
]  # fmt: skip
LEGACY = [
    "tf_keras-2.21-axes.h5", "keras-2.3.1-joined.h5", "keras-1.2.2-table.h5", "keras-3.12.0-joined.h5",
    "keras-1.2.2-convolved.h5", "keras-2.2.4-convolved_first.h5",
    "../operations/tf-2.1-mixed.h5", "../operations/tf-2.3-mixed.h5", "../operations/tf_keras-2.21-mixed.h5",
]  # fmt: skip
ARCHITECTURES = {
    "keras-1.2.2-convolved_row.json": ".old-weights.h5",
    "tf-2.4-convolved_row.json": ".old-weights.h5",
    "keras-3.15.1-convolved_row.json": ".weights.h5",
}
"""With the ending of the file of their weights."""
SECONDS = 2
MEGABYTES = 600
VALUES = [
    None, True, False, 0, 1, -1, 2, 7, 3.5, -0.5, 1e308, 10**30, -(10**30), "", "x", "relu", "a/b", "\0", "\ud800",
    "\x1b[31m", "é" * 300, [], {}, [[]], [None], [0], [1, 2, 3], [[0, 1], [1, 0]], {"a": 1}, [{}],
    {"class_name": "Dense"}, {"class_name": {}}, {"class_name": ["Dense"], "config": {}},
    {"class_name": "__lambda__", "config": {"value": "x"}},
    {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
    {"class_name": "Dense", "config": None},
    {"module": "os", "class_name": "system", "config": {}}, {"module": None, "class_name": None, "config": None},
]  # fmt: skip


class TookTooLong(BaseException):
    """More than SECONDS."""


# -- making ---------------------------------------------------------------------------------------------------------


def damage(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, overwritten, cut out, doubled or moved, once or a few times."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(changed))
        kind = rng.randrange(8)
        if kind < 3:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 3:
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 4:  # an address or a length
            at = at // 8 * 8
            value = rng.choice(
                [0, 1, at, len(data), 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1, rng.randrange(len(data))]
            )
            changed[at : at + 8] = value.to_bytes(8, "little")
        elif kind == 5:
            del changed[at : at + rng.choice([1, 8, 100])]
        elif kind == 6:
            piece = changed[at : at + rng.choice([1, 8, 100])]
            other = rng.randrange(len(changed))
            changed[other : other + len(piece)] = piece
        else:
            changed[at:at] = rng.randbytes(rng.choice([1, 8, 100]))
        if not changed:
            break
    return bytes(changed)


def holders(value, found):
    """Every list and dict in a configuration."""
    if isinstance(value, dict | list) and value:
        found.append(value)
        for child in value.values() if isinstance(value, dict) else value:
            holders(child, found)
    return found


def lie(config, rng: random.Random):
    """A configuration with a few values replaced, left out, moved or renamed."""
    for _ in range(rng.choice([1, 1, 1, 2])):
        found = holders(config, [])
        if not found:
            break
        home = rng.choice(found)
        key = rng.choice(list(home)) if isinstance(home, dict) else rng.randrange(len(home))
        kind = rng.randrange(8)
        if kind < 5:
            home[key] = json.loads(json.dumps(rng.choice(VALUES)))
        elif kind == 5:
            del home[key]
        elif kind == 6:
            home[key] = json.loads(json.dumps(rng.choice(rng.choice([found, [home]]))))
        elif isinstance(home, dict):
            home[rng.choice([*home, "x", "dtype", "name", "units"])] = home.pop(key)
        else:
            home.append(home[key])
    return config


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def made(number: int) -> tuple[str, bool, bytes]:
    """The name of the good file, whether its damage must be found, and the file of a number."""
    rng = random.Random(number)
    kind = number % 6
    if kind == 5:
        name = rng.choice(list(ARCHITECTURES))
        text = (FORMATS / name).read_text()
        if rng.randrange(4) == 0:
            return name, False, damage(text.encode(), rng)
        return name, False, json.dumps(lie(json.loads(text), rng)).encode()
    name = rng.choice(ARCHIVES if kind in (0, 2, 3) else LEGACY)
    path = FORMATS / name
    if kind in (0, 1):
        return name, kind == 0, damage(path.read_bytes(), rng)
    if kind == 4:
        return name, False, lying_legacy(path, rng)
    parts = members(path)
    if kind == 2:
        parts["model.weights.h5"] = damage(parts["model.weights.h5"], rng)
    else:
        member = rng.choice(["config.json"] * 9 + ["metadata.json"])
        parts[member] = json.dumps(lie(json.loads(parts[member]), rng)).encode()
    return name, False, archive_of(parts)


def lying_legacy(path: Path, rng: random.Random) -> bytes:
    import h5py

    buffer = io.BytesIO(path.read_bytes())
    with h5py.File(buffer, "r+") as file:
        name = rng.choice(["model_config", "model_config", "training_config"])
        name = name if name in file.attrs else "model_config"
        text = json.dumps(lie(json.loads(file.attrs[name]), rng)).encode()
        del file.attrs[name]
        file.attrs[name] = text
    return buffer.getvalue()


# -- trying ---------------------------------------------------------------------------------------------------------


def describe(network):
    settings = [(layer.name, type(layer).__name__, str(layer.get_config())) for layer in network.layers]
    return settings, [w.tobytes() for w in network.get_weights()]


def used(path: Path, good, must_be_found: bool, weights: Path | None) -> None:
    """Open a file and do with it what one does; raises where something is wrong."""
    network = (
        foldnet.load_model(path)
        if weights is None
        else foldnet.load_model(architecture=path, weights=weights)
    )
    if must_be_found:
        assert describe(network) == good, "the damage went unseen"
        return
    for layer in network.single_layers():
        for spec in layer.specs:
            value = layer.named_weights[spec.name]
            assert value.shape == spec.shape, f"{spec.name} has another shape"
            assert np.isfinite(value).all(), f"{spec.name} is not finite"
    uses = [
        lambda: network.compiled,
        lambda: network.summary(print_fn=len),
        network.to_json,
        lambda: predicted(network),
    ]
    for use in uses:
        try:
            use()
        except FoldnetError as error:
            check(error)


def predicted(network) -> None:
    shapes = [tuple(2 if n is None else n for n in t.shape) for t in network.inputs]
    if sum(np.prod(s) for s in shapes) < 1e5:
        x = [
            np.zeros(s, "int32" if t.dtype.startswith("int") else "float32")
            for s, t in zip(shapes, network.inputs, strict=True)
        ]
        foldnet.freeze(network, engine="reference")(x[0] if len(x) == 1 else x)


def check(error: FoldnetError) -> None:
    text = str(error)
    assert error.__cause__ is None, f"an error that nobody thought of: {error.__cause__!r}"
    assert len(text) <= LONGEST, "a message too long"
    assert all(c.isprintable() or c in "\n\t" for c in text), "a message that a terminal obeys"


def trouble(path: Path, number: int, goods) -> str | None:
    """What is wrong with how the file of a number is treated; None if nothing is."""
    name, must_be_found, data = made(number)
    path = path / f"x{Path(name).suffix}"
    path.write_bytes(data)
    if must_be_found and name not in goods:
        goods[name] = describe(foldnet.load_model(FORMATS / name))
    start, before = time.monotonic(), memory()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor: a busy machine is no fault
    signal.setitimer(signal.ITIMER_REAL, 60 * SECONDS)
    try:
        ending = ARCHITECTURES.get(name)
        weights = None if ending is None else FORMATS / f"{name.removesuffix('.json')}{ending}"
        used(path, goods.get(name), must_be_found, weights)
    except FoldnetError as error:
        try:
            check(error)
        except AssertionError as wrong:
            return f"{wrong}: {error}"
    except TookTooLong:
        return "took too long"
    except (Exception, MemoryError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:150]} ({Path(last.filename).name}:{last.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    if memory() - before > MEGABYTES:
        return f"took {memory() - before} MB and {time.monotonic() - start:.1f} s"
    return None


def memory() -> int:
    """The most memory that this process has had, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def too_long(*_):
    raise TookTooLong


def main(first: int, count: int) -> int:
    import resource

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    signal.signal(signal.SIGPROF, too_long)
    signal.signal(signal.SIGALRM, too_long)
    limit = (memory() + MEGABYTES) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    wrong, goods = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            found = trouble(Path(folder), number, goods)
            if found:
                wrong += 1
                print(f"{number}: {found}", flush=True)
    print(f"{count} files, {wrong} wrong", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
