"""Broken parts, full disks, and a process that is killed: what is whole stays, nothing half written is ever seen."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import foldnet as fn
from foldnet.disk.locking import locked
from foldnet.errors import FileFormatError, InputError
from foldnet.scale import BrokenPartsError
from tests.scale.lakes import WINE
from tests.scale.trap import VARIABLE, limit, wait_for

CHOICE = {"columns": "1-11", "keep": "id"}
PROGRAM = [sys.executable, "-m", "foldnet.cli", "predict", WINE]
OPTIONS = ["--columns", "1-11", "--keep", "id"]


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def truncated(path, table):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def damaged(path, table):
    """Its footer is whole, and a byte in a page is not."""
    pq.write_table(table, path, write_page_checksum=True, compression="none")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes(data))


def without_a_column(path, table):
    pq.write_table(table.drop_columns("alcohol"), path)


def of_another_type(path, table):
    texts = pa.array([f"{v}" for v in table["alcohol"].to_pylist()])
    pq.write_table(table.set_column(10, "alcohol", texts), path)


def with_a_null(path, table):
    values = table["alcohol"].to_pylist()
    values[-1] = None
    pq.write_table(table.set_column(10, "alcohol", pa.array(values)), path)


FAULTS = {
    truncated: "not a readable Parquet file",
    lambda path, _: path.write_text("a,b\n1,2\n"): "not a readable Parquet file",
    lambda path, _: path.write_bytes(b""): "not a readable Parquet file",
    damaged: "not a readable Parquet file",
    without_a_column: "there is no column 'alcohol'",
    of_another_type: "column 'alcohol' holds string, not numbers",
    with_a_null: "row 300, column 'alcohol': the value is missing",
}


def test_broken_parts_are_named_and_the_others_made(own_lake, predict, tmp_path):
    """Each kind of fault in turn, in a folder with good results of the part as it was before."""
    out, name = tmp_path / "out", own_lake.parts[2]
    path = own_lake.folder / name
    table = pq.read_table(path)
    fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
    for spoil, text in FAULTS.items():
        pq.write_table(table, path)
        fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
        spoil(path, table)
        with pytest.raises(BrokenPartsError) as raised:
            fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
        report = raised.value.report
        assert list(report.broken) == [name]
        assert text in report.broken[name]
        assert str(path) in report.broken[name]
        assert text in str(raised.value)
        assert files(out) == ["_foldnet.json", *(part for part in own_lake.parts if part != name)]
        assert '"complete": false' in (out / "_foldnet.json").read_text()
    pq.write_table(table, path)
    assert fn.predict_parts(predict, own_lake.folder, out, **CHOICE).made == 1
    own_lake.assert_equal(out)


def test_a_part_that_changes_while_it_is_read_is_broken(own_lake, predict, tmp_path):
    seen = []

    def touch(outcome, parts):
        seen.append(outcome)
        os.utime(own_lake.folder / own_lake.parts[4], ns=(1, 1))

    with pytest.raises(BrokenPartsError, match="changed while it was read"):
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", on_part=touch, **CHOICE)
    assert [outcome.name for outcome in seen if outcome.fault] == [own_lake.parts[4]]


def test_the_command_names_broken_parts_and_ends_with_2(own_lake, tmp_path):
    for name, spoil in zip(own_lake.parts[1:3], (truncated, with_a_null), strict=True):
        spoil(own_lake.folder / name, pq.read_table(own_lake.folder / name))
    command = [*PROGRAM, "--data", own_lake.folder, "-o", tmp_path / "out", *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "4 of 6 parts in " in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Broken: ")]
    assert [line.split(": ")[1] for line in lines] == own_lake.parts[1:3]
    assert "Traceback" not in done.stderr
    assert len(files(tmp_path / "out")) == 5


def test_no_part_can_be_read(own_lake, predict, tmp_path):
    for name in own_lake.parts:
        (own_lake.folder / name).write_text("no Parquet")
    with pytest.raises(FileFormatError, match=f"{own_lake.parts[0]} is not a readable Parquet file"):
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", **CHOICE)
    assert files(tmp_path / "out") == []


# -- the place of the results -----------------------------------------------------------------------------------


def ends_clearly(done, text):
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_may_not_grow_leaves_nothing(lake, tmp_path):
    """A limit on the size of files fails in the same way as a full disk, for every user."""
    out = tmp_path / "out"
    done = subprocess.run(
        [*PROGRAM, "--data", lake.folder, "-o", out, "--columns", "1-11", "--keep", "all"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
    )  # fmt: skip
    ends_clearly(done, f"{out / lake.parts[0]}: {os.strerror(errno.EFBIG)}")
    assert files(out) == ["_foldnet.json"]


@pytest.mark.parametrize(("options", "number"), [("size=96k", errno.ENOSPC), ("ro", errno.EROFS)])
def test_a_full_disk_and_one_that_cannot_be_written(lake, predict, tmp_path, options, number):
    """On a small disk some parts fit. They stay, and a larger place gets the others."""
    private = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    out = tmp_path / "out"
    out.mkdir()
    copy = tmp_path / "copy"
    mount = f'mount -t tmpfs -o {options} none "$0"'
    if (
        not shutil.which("unshare")
        or subprocess.run([*private, "sh", "-c", mount, out], capture_output=True, check=False).returncode
    ):
        pytest.skip("a disk of a few kB cannot be mounted here (unshare --mount)")
    command = [*PROGRAM, "--data", lake.folder, "-o", out, "--columns", "1-11", "--keep", "all"]
    script = f'{mount} && {{ out=$0; "$@"; code=$?; cp -r "$out" {copy}; exit $code; }}'
    done = subprocess.run(
        [*private, "sh", "-c", script, out, *command], capture_output=True, text=True, check=False
    )
    ends_clearly(done, os.strerror(number))
    made = files(copy)
    if number == errno.ENOSPC:
        assert 1 < len(made) < 7
        assert set(made) <= {"_foldnet.json", *lake.parts}
        whole = fn.predict_parts(predict, lake.folder, copy, columns="1-11", keep="all")
        assert (whole.found, whole.made) == (len(made) - 1, 7 - len(made))
        lake.assert_equal(copy)
    else:
        assert made == []


def test_a_place_that_is_no_folder(lake, predict, tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*PROGRAM, "--data", lake.folder, "-o", tmp_path / "file" / "out", *OPTIONS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ends_clearly(done, os.strerror(errno.ENOTDIR))


# -- other processes, and an end of any kind --------------------------------------------------------------------


def test_one_process_at_a_time(lake, predict, tmp_path):
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), pytest.raises(InputError, match="another process"):
        fn.predict_parts(predict, lake.folder, tmp_path / "out", **CHOICE)
    fn.predict_parts(predict, lake.folder, tmp_path / "out", **CHOICE)
    lake.assert_equal(tmp_path / "out")


def test_a_killed_process_is_taken_up_where_it_was(lake, predict, tmp_path):
    """It is killed in the middle of the fourth part; the second run makes that one and those after it."""
    trap, out = tmp_path / "trap", tmp_path / "out"
    trap.mkdir()
    limit(trap, 3)
    start = "from tests.scale.trap import install; install(); from foldnet.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, *PROGRAM[3:], "--data", lake.folder, "-o", out, *OPTIONS],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2], env=dict(os.environ) | {VARIABLE: str(trap)},
    )  # fmt: skip
    wait_for(trap / "reached", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.parquet")) == lake.parts[:3]
    (left,) = out.rglob(".*.part")
    assert left.name.startswith(f".{Path(lake.parts[3]).name}.")
    first = {name: (out / name).stat().st_mtime_ns for name in lake.parts[:3]}
    assert all(np.isfinite(pq.read_table(out / name)["prediction"]).all() for name in first)

    done = subprocess.run(
        [*PROGRAM, "--data", lake.folder, "-o", out, *OPTIONS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 6 parts in " in done.stderr
    assert "3 were there already" in done.stderr
    assert {name: (out / name).stat().st_mtime_ns for name in first} == first
    assert files(out) == ["_foldnet.json", *lake.parts]
    lake.assert_equal(out)


def test_links_to_nothing_and_names_that_are_not_utf_8_are_broken_parts(own_lake, predict, tmp_path):
    own_lake.folder.joinpath("year=2023", "lost.parquet").symlink_to("nowhere")
    odd = own_lake.folder / "year=2024" / os.fsdecode(b"\xff.parquet")
    shutil.copy(own_lake.folder / own_lake.parts[0], odd)
    with pytest.raises(BrokenPartsError, match=r"2 of 8 parts .*No such file") as raised:
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", **CHOICE)
    assert "needs names in UTF-8" in raised.value.report.broken[f"year=2024/{odd.name}"]
    own_lake.assert_equal(tmp_path / "out")


def test_a_folder_of_results_that_is_removed_during_the_work(own_lake, predict, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"does not see .*out; .* may remove the folder"):
        fn.predict_parts(predict, own_lake.folder, out, on_part=lambda *_: shutil.rmtree(out), **CHOICE)
