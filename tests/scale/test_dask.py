"""The same parts on a Dask cluster of two processes, some of which die."""

import subprocess
import sys

import distributed
import pytest

import foldnet as fn
from foldnet.errors import InputError, UnsupportedError
from foldnet.scale import BrokenPartsError, dask_cluster
from foldnet.scale.part import Job, predict_part
from foldnet.scale.sources import find_sources
from tests.scale.clusters import Cluster, end
from tests.scale.lakes import WINE
from tests.scale.trap import limit, wait_for

CHOICE = {"columns": "1-11", "keep": "id"}


@pytest.fixture
def brief(tmp_path):
    """Clusters that a test ends."""
    started = []

    def start(**options):
        folder = tmp_path / f"cluster-{len(started)}"
        folder.mkdir()
        started.append(Cluster(folder, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_the_command_hands_parts_to_the_cluster_and_a_worker_dies(cluster, lake, tmp_path):
    (cluster.trap / "die").touch()
    choice = ["--columns", "1-11", "--keep", "id", "--engine", "dask", "--scheduler", cluster.address]
    places = ["--data", lake.folder.name, "-o", "out"]
    command = [sys.executable, "-m", "foldnet.cli", "predict", WINE, *places, *choice]
    (tmp_path / lake.folder.name).symlink_to(lake.folder)
    for found in (0, 6):  # the workers are in another folder, so paths must not depend on it
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{6 - found} of 6 parts" in done.stderr
        assert not (cluster.trap / "die").exists(), "no worker died"
        lake.assert_equal(tmp_path / "out")
        assert not list((tmp_path / "out").rglob(".*.part")), "something of the dead worker remains"


def test_broken_parts_and_a_place_that_cannot_be_written(cluster, own_lake, predict, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "WAITING", 1)  # parts are handed over one by one, too
    (own_lake.folder / own_lake.parts[1]).write_text("no Parquet")
    with pytest.raises(BrokenPartsError, match=r"1 of 6 parts .*part-2.*not a readable Parquet file"):
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", scheduler=cluster.address, **CHOICE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "year=2024").write_text("a file, where a folder must be")
    with pytest.raises(OSError, match="year=2024") as raised:
        fn.predict_parts(
            predict, own_lake.folder, tmp_path / "other", scheduler=cluster.address, overwrite=True, **CHOICE
        )
    assert raised.type in (FileExistsError, NotADirectoryError)


def test_a_worker_that_is_not_as_this_process(cluster, lake, predict, tmp_path, monkeypatch):
    monkeypatch.setattr(fn, "__version__", "9.9")
    with pytest.raises(
        UnsupportedError, match=r"a worker has foldnet \S+, not 9\.9; install the same version"
    ):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler=cluster.address, **CHOICE)
    source = find_sources(lake.folder, tmp_path)[0]
    job = Job(source, tmp_path / "elsewhere", "", "9.9", (tuple(lake.names),), ())
    with pytest.raises(InputError, match=r"does not see .*elsewhere; all machines must have the same paths"):
        predict_part(predict, job)
    assert not (tmp_path / "elsewhere").exists()


def test_no_scheduler(lake, predict, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "ANSWER_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"no Dask scheduler answered at tcp://127\.0\.0\.1:1 within"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler="tcp://127.0.0.1:1", **CHOICE)
    with pytest.raises(InputError, match="no Dask scheduler answered at nowhere"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler="nowhere://x", **CHOICE)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UnsupportedError, match=r"foldnet\[dask\]"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler="tcp://127.0.0.1:1", **CHOICE)


def test_a_worker_without_foldnet(brief, lake, predict, tmp_path):
    """It would end at its first task, and the cluster would wait for workers."""
    (tmp_path / "foldnet").mkdir()
    (tmp_path / "foldnet" / "__init__.py").write_text("")
    other = brief(workers=1, nanny=False, trapped=False, PYTHONPATH=str(tmp_path))
    with distributed.Client(other.address, set_as_default=False) as client:
        client.wait_for_workers(1)
    with pytest.raises(UnsupportedError, match=r"the worker \S+ of the cluster at \S+ cannot import foldnet"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler=other.address, **CHOICE)


@pytest.mark.parametrize("lost", ["scheduler", "worker"])
def test_a_cluster_that_goes_away(brief, lake, predict, tmp_path, monkeypatch, lost):
    """After the first part it is gone; that part stays, and a run without a cluster makes the others."""
    monkeypatch.setattr(dask_cluster, "LOST_SECONDS", 1.0)
    cluster = brief(workers=1, nanny=False)
    limit(cluster.trap, 1)

    def lose(outcome, parts):
        wait_for(cluster.trap / "reached")
        end(cluster.scheduler if lost == "scheduler" else cluster.workers[0])

    with pytest.raises(InputError, match=r"the Dask cluster at .* went away"):
        fn.predict_parts(
            predict, lake.folder, tmp_path / "out", scheduler=cluster.address, on_part=lose, **CHOICE
        )
    report = fn.predict_parts(predict, lake.folder, tmp_path / "out", **CHOICE)
    assert (report.found, report.made) == (1, 5)
    lake.assert_equal(tmp_path / "out")


@pytest.mark.parametrize("address", ["nonsense", "what://10.0.0.5:8786", "tcp://host:port"])
def test_an_address_that_is_none_is_refused_at_once(lake, predict, tmp_path, monkeypatch, address):
    monkeypatch.setattr(distributed, "Client", None)
    with pytest.raises(InputError, match=r"which is no address of one .*tcp://HOST:8786"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", scheduler=address, **CHOICE)
