"""No command loses a file: not its own inputs, by any name, and nobody else's without ``--force``."""

import os
import shutil

import numpy as np
import pytest

from foldnet import Sequential, layers
from foldnet.callbacks import NormalizationMonitor
from foldnet.cli.outputs import check_outputs
from foldnet.errors import InputError

FOREIGN = b"my own notes, written by hand\n" * 3


@pytest.fixture
def network(tmp_path, wine):
    return shutil.copy(wine, tmp_path / "wine.keras")


@pytest.fixture
def table(tmp_path, data):
    lines = (data / "wine.csv").read_text().splitlines()[:9]
    path = tmp_path / "wine.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    model = Sequential([layers.Input((3,)), layers.BatchNormalization(), layers.Dense(1)])
    model.compile(
        "sgd",
        "mse",
    )
    x = np.random.default_rng(0).normal(size=(40, 3))
    model.fit(x, x[:, :1], epochs=1, verbose=0, callbacks=NormalizationMonitor(folder))
    return folder


def commands(network, table, run):
    """Each option that writes: the command without it, what it reads, and the option."""
    rows = ["--data", table, "--drop", "quality"]
    return {
        "explain --html": (["explain", network, *rows], [network, table], "--html"),
        "freeze --out": (["freeze", network], [network], "--out"),
        "freeze --to-numpy": (["freeze", network], [network], "--to-numpy"),
        "predict --out": (["predict", network, *rows], [network, table], "--out"),
        "recalibrate --out": (["recalibrate", network, *rows], [network, table], "--out"),
        "doctor --fix": (["doctor", network, *rows], [network, table], "--fix"),
        "doctor --sarif": (["doctor", network, *rows], [network, table], "--sarif"),
        "report --out": (["report", run], list(run.iterdir()), "--out"),
    }  # fmt: skip


OPTIONS = list(commands(*[__import__("pathlib").Path()] * 3))
ENDINGS = {"predict --out": ".csv", "recalibrate --out": ".keras", "doctor --fix": ".keras"}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_input_is_never_written_over(foldnet, network, table, run, tmp_path, option, force):
    command, inputs, name = commands(network, table, run)[option]
    for i, source in enumerate(inputs):
        before = source.read_bytes()
        soft, hard = tmp_path / f"soft{i}", tmp_path / f"hard{i}"
        soft.symlink_to(source)
        os.link(source, hard)
        for path in (source, soft, hard, source.parent / ".." / source.parent.name / source.name):
            message = foldnet.refused(*command, name, path, *force)
            assert "which this command reads" in message
            assert source.read_bytes() == before


@pytest.mark.parametrize("option", OPTIONS)
def test_other_peoples_files_are_written_over_with_force_only(foldnet, network, table, run, tmp_path, option):
    command, _, name = commands(network, table, run)[option]
    out = tmp_path / f"out{ENDINGS.get(option, '')}"
    out.write_bytes(FOREIGN)
    message = foldnet.refused(*command, name, out)
    assert "exists and was not written by foldnet" in message
    assert "--force" in message
    assert out.read_bytes() == FOREIGN
    result = foldnet(*command, name, out, "--force")
    assert result.exit_code == 0, result.output
    written = out.read_bytes() != FOREIGN
    assert written or "was not written" in result.output  # the doctor found nothing to mend


@pytest.mark.parametrize("option", [o for o in OPTIONS if o not in ("predict --out", "doctor --fix")])
def test_what_foldnet_wrote_it_may_write_again(foldnet, network, table, run, tmp_path, option):
    command, _, name = commands(network, table, run)[option]
    out = tmp_path / f"out{ENDINGS.get(option, '')}"
    foldnet.ok(*command, name, out)
    foldnet.ok(*command, name, out)


def test_an_hdf5_file_bears_the_mark_too(foldnet, network, table, tmp_path):
    for _ in range(2):
        foldnet.ok("recalibrate", network, "--data", table, "--drop", "quality", "-o", tmp_path / "new.h5")


def test_the_files_of_a_folder_are_looked_at_one_by_one(foldnet, network, tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "main.c").write_bytes(FOREIGN)
    assert "main.c" in foldnet.refused("freeze", network, "--to-c", folder)
    assert [p.name for p in folder.iterdir()] == ["main.c"]
    foldnet.ok("freeze", network, "--to-c", folder, "--force")
    foldnet.ok("freeze", network, "--to-c", folder)
    assert (folder / "main.c").read_bytes() != FOREIGN


def test_the_demo_keeps_other_files(foldnet, tmp_path):
    (tmp_path / "wine_c").mkdir()
    (tmp_path / "wine_c" / "README.md").write_bytes(FOREIGN)
    assert "README.md" in foldnet.refused("demo", "--out", tmp_path, "--rows", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["wine_c"]


def test_plots_too(foldnet, run, tmp_path):
    pytest.importorskip("matplotlib")
    foldnet.ok("report", run, "-o", tmp_path / "r.html", "--plots", tmp_path, "--format", "png")
    drawn = sorted(tmp_path.glob("*.png"))
    for name in ("pdf", "svg", "png"):
        for _ in range(2):
            foldnet.ok("report", run, "-o", tmp_path / "r.html", "--plots", tmp_path, "--format", name)
    drawn[0].write_bytes(FOREIGN)
    refused = foldnet.refused(
        "report", run, "-o", tmp_path / "r.html", "--plots", tmp_path, "--format", "png"
    )
    assert drawn[0].name in refused


def test_two_outputs_are_two_files(foldnet, network, tmp_path):
    out = tmp_path / "same"
    message = foldnet.refused("freeze", network, "-o", out, "--to-numpy", out)
    assert "--out and --to-numpy both write to" in message
    assert not out.exists()


def test_what_keeps_nothing_is_written_to(foldnet, network, table):
    foldnet.ok("predict", network, "--data", table, "--drop", "quality", "-o", os.devnull)


def test_a_path_that_is_not_there_yet_is_compared_by_its_name(tmp_path):
    missing = tmp_path / "x.csv"
    with pytest.raises(InputError, match="would write over"):
        check_outputs({"-o": tmp_path / "." / "x.csv"}, [missing], force=True)
