"""The programs in ``examples/scale``: the bits of the whole table on every engine, also when a worker dies."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.scale.trap import VARIABLE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "scale"
PROGRAMS = ["dask_dataframe.py", "polars_batches.py", "ray_data.py", "spark.py", "sweep_joblib.py"]


@pytest.fixture(scope="module")
def model(predict, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "wine.foldnet"
    predict.save(path)
    return path


def run(program, *arguments, **environment):
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, *map(str, program), *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=False, env=dict(os.environ) | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_listed():
    assert sorted(path.name for path in FOLDER.glob("*.py")) == PROGRAMS
    for page in ("examples/README.md", "docs/scale.md"):
        assert all(f"{name}`" in (ROOT / page).read_text() for name in PROGRAMS)


def test_dask_dataframe(cluster, lake, model, tmp_path):
    (cluster.trap / "die").touch()
    program, out = FOLDER / "dask_dataframe.py", tmp_path / "out"
    run([program], model, lake.folder, out, "--drop", "quality", "id", "--scheduler", cluster.address)
    assert not (cluster.trap / "die").exists(), "no worker died"
    lake.assert_equal(out)
    assert sorted(path.name for path in out.iterdir()) == ["year=2023", "year=2024"]


def test_polars(lake, model, tmp_path):
    out = tmp_path / "out" / "scored.parquet"
    out.parent.mkdir()
    run([FOLDER / "polars_batches.py"], model, lake.folder, out, "--drop", "quality", "id", "year")
    lake.assert_equal(out.parent)


RAY = """
import json, os, runpy, sys
import ray
variables = {name: os.environ[name] for name in ("PYTHONPATH", "CC", "FOLDNET_TEST_TRAP")}
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=10**8,
         runtime_env={"env_vars": variables, "worker_process_setup_hook": "tests.scale.trap.install"})
ray.init = ray.shutdown = lambda *_, **__: None
for program in json.loads(sys.argv[1]):
    sys.argv = program
    runpy.run_path(program[0], run_name="__main__")
"""
"""One session for all programs, whose workers have the trap."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A small table for the sweep, and what it prints without a cluster."""
    path = tmp_path_factory.mktemp("sweep") / "wine.csv"
    lines = (ROOT / "data" / "wine.csv").read_text().splitlines()
    path.write_text("\n".join(lines[:301]) + "\n")
    arguments = [FOLDER / "sweep_joblib.py", path, "--target", "quality", "--epochs", "2", "--backend"]
    return arguments, run([*arguments, "loky"])


def test_ray(lake, model, sweep, tmp_path):
    """Ray Data and joblib's backend in one session, whose start takes seconds; a worker dies in the first."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "die").touch()
    arguments, alone = sweep
    scored = [FOLDER / "ray_data.py", model, lake.folder, tmp_path / "out", "--drop", "quality", "id", "year"]
    programs = [[str(word) for word in program] for program in (scored, [*arguments, "ray"])]
    variables = {
        VARIABLE: str(trap),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    printed = run(["-c", RAY], json.dumps(programs), RAY_USAGE_STATS_ENABLED="0", **variables)
    assert not (trap / "die").exists(), "no worker died"
    lake.assert_equal(tmp_path / "out")
    assert alone in printed


def test_sweep_on_dask(cluster, sweep):
    arguments, alone = sweep
    assert len(set(alone.splitlines())) == 4
    assert run([*arguments, "dask"], "--scheduler", cluster.address) == alone


def test_spark(lake, model, tmp_path):
    if not shutil.which("java"):
        missing = pytest.fail if os.environ.get("FOLDNET_REQUIRE_JAVA") else pytest.skip
        missing("Spark needs Java, which no Python package brings; .ci/run installs it and forbids the skip")
    options = ["--drop", "quality", "id", "year", "--master", "local[2]"]
    # Most of the time goes into starting Java and compiling what runs once.
    quick = {"SPARK_LOCAL_IP": "127.0.0.1", "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    run([FOLDER / "spark.py"], model, lake.folder, tmp_path / "out", *options, **quick)
    lake.assert_equal(tmp_path / "out")
    made = pq.read_table(tmp_path / "out")
    assert np.array_equal(np.unique(made["year"].to_numpy()), [2023, 2024])


def test_the_python_of_the_page_runs(lake, model, tmp_path):
    text = (ROOT / "docs" / "scale.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copy(model, tmp_path)
    (tmp_path / "lake").symlink_to(lake.folder)
    assert run(["-c", f"import os; os.chdir({str(tmp_path)!r})\n{block}"]) == "6 0 1800\n"
    lake.assert_equal(tmp_path / "scored")
