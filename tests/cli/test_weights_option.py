"""``--weights``: FILE is the JSON of an architecture, and the weights are beside it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.files.test_releases import FOLDER
from tests.support.arrays import arrays_of

STEM = "tf-2.4-convolved_row"
PARTS = [str(FOLDER / f"{STEM}.json"), "--weights", str(FOLDER / f"{STEM}.old-weights.h5")]


@pytest.mark.parametrize("command", ["summary", "explain", "doctor", "freeze", "verify"])
def test_every_command_that_opens_a_network(foldnet, command):
    done = foldnet(command, *PARTS)
    assert done.exit_code in (0, 1), done.output  # the doctor may find something
    assert "block/conv" in done.stdout


def test_predict(foldnet, tmp_path):
    recorded = arrays_of(FOLDER / f"{STEM}.npz")
    np.save(tmp_path / "x.npy", recorded["x0"])
    foldnet.ok("predict", *PARTS, "--data", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), recorded["y0"], rtol=1e-5, atol=1e-6)


def test_recalibrate(foldnet, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(50, 9, 3)).astype("float32"))
    assert "block/norm" in foldnet.ok("recalibrate", *PARTS, "--data", tmp_path / "x.npy")


def test_an_architecture_alone_says_what_is_missing(foldnet):
    assert "holds no weights" in foldnet.refused("summary", PARTS[0])


def test_weights_are_inputs_that_are_not_written_over(foldnet):
    assert "would write over" in foldnet.refused("freeze", *PARTS, "-o", PARTS[2], "--force")


def test_what_does_not_go_together(foldnet):
    assert "--weights" in foldnet.refused("doctor", PARTS[0], PARTS[0], *PARTS[1:])
    assert "not the JSON of an architecture" in foldnet.refused(
        "summary", FOLDER / "keras-2.2.4-table.h5", *PARTS[1:]
    )


def test_json(foldnet):
    document = foldnet.json("summary", *PARTS)
    assert [layer["name"] for layer in document["layers"]] == ["block/conv", "block/norm", "flat", "out"]
