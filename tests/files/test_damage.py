"""Cut files and flipped bits at every region: an error or a right answer, and never a crash, a hang or a traceback.

An archive has checksums, so there a flip is an error or changes nothing. HDF5 of the kind Keras writes has none: a
flipped bit in a weight, a name or a setting makes a file that is as good as any other, so there the promise is less:
no crash, no hang, and finite weights in the shapes that the configuration gives.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foldnet

FOLDER = Path(__file__).parent.parent / "fixtures" / "formats"
FILES = [
    "keras-3.8.0-table.keras",
    "tf_keras-2.21-joined.keras",
    "tf_keras-2.21-axes.h5",
    "keras-2.3.1-joined.h5",
]
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Worker:
    """A process of its own that loads damaged files, so that a crash of the HDF5 library is a failed test."""

    def __init__(self, good, scratch):
        self.size = good.stat().st_size
        command = [sys.executable, str(Path(__file__).with_name("damage.py")), str(good), str(scratch)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def outcome(self, instruction):
        self._process.stdin.write(instruction + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{instruction}: the process died with code {self._process.wait()}"
        return line.removeprefix(instruction).strip()

    def close(self):
        self._process.communicate(timeout=600)


@pytest.fixture(scope="module", params=FILES)
def worker(request, tmp_path_factory):
    worker = Worker(FOLDER / request.param, tmp_path_factory.mktemp("damage"))
    worker.name = request.param
    yield worker
    worker.close()


@EXAMPLES
@given(data=st.data())
def test_flipped_bit(worker, data):
    place = data.draw(st.integers(0, worker.size - 1))
    allowed = {"error", "same"} if worker.name.endswith(".keras") else {"error", "same", "weights", "other"}
    assert worker.outcome(f"flip {place} {data.draw(st.integers(0, 7))}") in allowed


@EXAMPLES
@given(data=st.data())
def test_cut_short(worker, data):
    assert worker.outcome(f"cut {data.draw(st.integers(0, worker.size - 1))}") == "error"


def test_flip_in_a_weight_of_hdf5_changes_that_weight_alone(tmp_path):
    """There is no checksum, so this file is simply another network."""
    good = FOLDER / "tf_keras-2.21-axes.h5"
    network = foldnet.load_model(good)
    data = bytearray(good.read_bytes())
    kernel = network.get_layer("out").kernel
    place = data.index(kernel.tobytes())
    data[place + 2] ^= 0x10
    (tmp_path / "m.h5").write_bytes(data)
    other = foldnet.load_model(tmp_path / "m.h5")
    changed = [int((a != b).sum()) for a, b in zip(network.get_weights(), other.get_weights(), strict=True)]
    assert sum(changed) == 1
    assert other.get_layer("out").kernel[0, 0] != kernel[0, 0]
    assert np.isfinite(other.get_layer("out").kernel).all()


def test_damaged_heap_of_texts(tmp_path):
    """The HDF5 library itself never comes back from this one bit."""
    worker = Worker(FOLDER / "tf_keras-2.21-axes.h5", tmp_path)
    assert worker.outcome("flip 8569 3") == "error"
    worker.close()


def test_two_weights_in_the_same_bytes(tmp_path):
    """A damaged address makes one weight read another's numbers."""
    import h5py

    path = tmp_path / "m.h5"
    path.write_bytes((FOLDER / "tf_keras-2.21-axes.h5").read_bytes())
    with h5py.File(path) as file:
        names = [
            n.decode() if isinstance(n, bytes) else n
            for n in file["model_weights/each"].attrs["weight_names"]
        ]
        first, second = (file["model_weights/each"][n].id.get_offset() for n in names[:2])
    data = path.read_bytes()
    assert data.count(second.to_bytes(8, "little")) == 1
    path.write_bytes(data.replace(second.to_bytes(8, "little"), (first + 4).to_bytes(8, "little")))
    with pytest.raises(foldnet.FoldnetError, match="same bytes"):
        foldnet.load_model(path)
