"""What is a person doing? A network reads two seconds of a watch's sensors, and becomes a C program.

Run it with ``python examples/activity.py``, or with a folder that then keeps the network and the C source. It needs
``pip install sktime``, for its data alone: BasicMotions of the UEA archive, 80 recordings of 10 seconds of someone who
stands, walks, runs or plays badminton; an accelerometer and a gyroscope, ten values a second. It also needs ``make``
and a C compiler.
"""

import ctypes
import os
import shlex
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import foldnet
from foldnet import Sequential, layers, optimizers

STEPS, APART = 20, 10
"""A window of 2 seconds, and a new one every second."""


def recordings(part):
    """What a file of the archive holds, without importing its package: values (rows, 100, 6) and activities."""
    package = find_spec("sktime")
    if package is None or package.origin is None:
        sys.exit("The recordings come with a package: pip install sktime")
    file = Path(package.origin).parent / "datasets" / "data" / "BasicMotions" / f"BasicMotions_{part}.ts"
    lines = file.read_text().partition("@data\n")[2].splitlines()
    rows = [line.split(":") for line in lines]  # six channels of 100 numbers, then the activity
    values = [[np.array(channel.split(","), np.float32) for channel in row[:-1]] for row in rows]
    return np.ascontiguousarray(np.array(values).transpose(0, 2, 1)), np.array([row[-1] for row in rows])


def windows(values, activity):
    """Windows of all recordings. Those of one recording are apart by the number of recordings."""
    starts = range(0, values.shape[1] - STEPS + 1, APART)
    return np.concatenate([values[:, a : a + STEPS] for a in starts]), np.tile(activity, len(starts))


def network():
    """Two convolutions find movements, the LSTM reads what they found in order."""
    stack = [layers.Input((STEPS, 6))]
    for number, (filters, width) in enumerate(((16, 5), (16, 3)), 1):
        stack += [
            layers.Conv1D(filters, width, use_bias=False, name=f"conv_{number}"),
            # Short fits: with the default 0.99 the statistics would still hold much of their start, 0 and 1.
            layers.BatchNormalization(momentum=0.9, name=f"norm_{number}"),
            layers.Activation("relu", name=f"relu_{number}"),
        ]
    last = layers.Dense(4, activation="softmax", name="activity")
    return Sequential([*stack, layers.LSTM(16, name="memory"), last], name="watch")


def trained(x, number, seed):
    """A network that is trained on windows."""
    foldnet.utils.set_random_seed(seed)
    model = network()
    model.compile(optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(x, number, batch_size=32, epochs=15, verbose=0)
    return model


def tested(folder):
    """Run the self-test of the C source, and return what it says; compiles it."""
    done = subprocess.run(["make", "-C", folder, "test"], capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if line.startswith("self-test"))


def size(folder):
    """Bytes of the compiled functions, and of the weights and other constants, without the file's own headers."""
    done = subprocess.run(
        ["nm", "-S", Path(folder) / "predict.o"], capture_output=True, text=True, check=True
    )
    bytes_of = {"t": 0, "r": 0}
    for _, length, kind, _ in (line.split() for line in done.stdout.splitlines() if line.count(" ") == 3):
        bytes_of[kind.lower()] += int(length, 16)
    return bytes_of["t"], bytes_of["r"]


def called(folder):
    """The C function, callable with an array of windows."""
    library = Path(folder) / "predict.so"
    compiler = [
        *shlex.split(os.environ.get("CC", "cc")),
        "-O2",
        "-std=c99",
        "-shared",
        "-fPIC",
        "-o",
        library,
        Path(folder) / "predict.c",
        "-lm",
    ]
    subprocess.run(compiler, check=True)
    function = ctypes.CDLL(str(library)).watch_predict_rows
    function.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t

    def in_c(x):
        x = np.ascontiguousarray(x, np.float32)
        y = np.empty((len(x), 4), np.float32)
        if function(x.ctypes.data, y.ctypes.data, len(x)):
            raise ValueError("a window has no prediction")
        return y

    return in_c


def microseconds(calls, turns):
    """What each call takes, the shortest of many turns; by turns, so that all meet the same machine."""
    taken = np.empty((turns, len(calls)))
    for turn in taken:
        for which, call in enumerate(calls):
            start = time.perf_counter()
            call()
            turn[which] = 1e6 * (time.perf_counter() - start)
    return taken.min(axis=0)


def confusion(found, number, names):
    """How often each activity was taken for each."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (number, found), 1)
    print(f"{'':10}" + "".join(f"{name:>11}" for name in names))
    for name, row in zip(names, counts, strict=True):
        print(f"{name:10}" + "".join(f"{count:11}" for count in row))


def main(folder=None):
    """Train, freeze, prove, and write C. Returns the shares of windows recognized, and both proofs."""
    seen, held_out = recordings("TRAIN"), recordings("TEST")
    names = np.unique(seen[1])
    x, number = windows(seen[0], np.searchsorted(names, seen[1]))
    x_new, number_new = windows(held_out[0], np.searchsorted(names, held_out[1]))
    print(
        f"{len(seen[0])} recordings are seen: {len(x)} windows; {len(held_out[0])} held out: {len(x_new)} windows"
    )

    models = [trained(x, number, seed) for seed in range(5)]
    found = [model.predict(x_new, verbose=0).argmax(axis=1) for model in models]
    shares = [float((each == number_new).mean()) for each in found]
    print(f"recognized from five random starts: {min(shares):.3f} to {max(shares):.3f}; the first network:\n")
    confusion(found[0], number_new, names)

    predict = foldnet.freeze(models[0])
    print("\nFrozen, it is these steps:", *predict.steps(), "", sep="\n")
    proof = foldnet.verify(predict, models[0], x=x_new)
    print(f"frozen, against the network:       equal: {proof.ok}, proven: {proof.proven}")

    with tempfile.TemporaryDirectory() as other:
        source = Path(folder or other) / "watch_c"
        predict.to_c(source, x=x_new)
        if folder is not None:
            models[0].save(Path(folder) / "watch.keras")
            print(f"kept in {folder}: watch.keras, watch_c")
        said = tested(source)
        code, constants = size(source)
        in_c = called(source)
        of_c = foldnet.verify(in_c, models[0], x=x_new)
        print(f"C, against the network:            equal: {of_c.ok}, proven: {of_c.proven}")
        print(f"{said}\n")
        print(f"C, compiled with -O2: {code:,} bytes of code, {constants:,} bytes of weights and constants")
        alone = x_new[:1]
        many = microseconds([lambda: in_c(x_new), lambda: predict(x_new)], turns=50) / len(x_new)
        one = microseconds([lambda: in_c(alone), lambda: predict(alone)], turns=500)
        print(f"microseconds a window    of {len(x_new)}    alone, called from Python")
        for name, of_many, of_one in zip(("C", "predict"), many, one, strict=True):
            print(f"  {name:19} {of_many:9.1f} {of_one:8.1f}")
    return shares, proof, of_c


if __name__ == "__main__":
    main(*sys.argv[1:2])
