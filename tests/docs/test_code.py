"""The code of the pages and of the README runs, and the commands on them have the options that they show.

The guides have tests of their own (test_guides.py), and so has the page of the server (tests/serving/test_docs.py). The
blocks of a page run in order, in a folder with the files that its reader has. A block that does not run has a comment
before it in its page, ``<!-- not run: reason -->``.
"""

import re
import shlex
import shutil

import click
import h5py
import keras
import numpy as np
import pyarrow.parquet
import pytest

import foldnet
from foldnet import Sequential, layers
from foldnet.cli import main
from tests.docs.conftest import ROOT

ELSEWHERE = {"docs/serving.md"}
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.parent.name != "guides"
]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n+)?```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = 1
AFTER = {
    "docs/files.md": "assert editor.compare(model) == {'status': 'success', 'error_count': 0, 'match_count': 6}",
    "docs/training.md": "model.compile('adam', pinball); model.fit(x, y, epochs=1)",
}
"""What shows that a page's code did what the page says."""


def blocks(page):
    """The blocks of code of a page: why it does not run, its language, its text."""
    return [found.group("reason", "kind", "code") for found in BLOCK.finditer((ROOT / page).read_text())]


WITH_PYTHON = [
    page for page in PAGES if any(kind == "python" for _, kind, _ in blocks(page)) and page not in ELSEWHERE
]


@pytest.fixture
def scope(tmp_path, monkeypatch, quick_compiler):
    """What a reader has: a folder with wine.keras and other files, a network, rows and targets, and a function."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC", quick_compiler)
    for name in ("models/wine.keras", "wine.csv"):
        file = ROOT / "data" / name
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = np.genfromtxt("wine.csv", delimiter=",", skip_header=1)[:200]
    x, y = table[:, :11].astype("float32"), table[:, 11:].astype("float32")
    model = foldnet.load_model("wine.keras")
    model.compile("adam", "mae")
    model.save("x.h5")
    kernel, bias = few_layers(tmp_path)
    foldnet.freeze(model, engine="reference").save("wine.foldnet")
    names = [f"n{i}" for i in range(11)]
    lake(tmp_path / "lake", x, names)
    return {
        "foldnet": foldnet, "np": np, "model": model, "x": x, "y": y, "x_train": x[:150], "y_train": y[:150],
        "x_valid": x[150:], "y_valid": y[150:], "my_function": lambda rows: np.asarray(model(rows)) * 1.5,
        "kernel": kernel, "bias": bias, "names": names,
    }  # fmt: skip


def lake(folder, x, names):
    """A folder of two Parquet files: 11 numbers and an identifier for each row."""
    folder.mkdir()
    for i, rows in enumerate(np.array_split(x, 2)):
        columns = dict(zip(names, rows.T, strict=True)) | {"id": np.arange(len(rows))}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"{i}.parquet")


def few_layers(folder):
    """Files of a network of three layers, and of weights without the middle one, whose weights are returned."""
    sizes = (layers.Dense(5), layers.Dense(5), layers.Dense(2))
    whole = Sequential([layers.Input((4,)), *sizes])
    (folder / "model.json").write_text(whole.to_json())
    whole.save_weights("all.weights.h5")
    shutil.copy("all.weights.h5", "weights.h5")
    parts = Sequential([layers.Input((4,)), layers.Dense(5), layers.Dense(2)])
    parts.save_weights("old.weights.h5")
    return sizes[1].kernel.numpy(), sizes[1].bias.numpy()


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_runs(page, scope):
    if page == "docs/files.md":
        scope |= {"keras": keras, "h5py": h5py}
    for reason, kind, code in blocks(page):
        if kind == "python" and reason is None:
            exec(compile(code, page, "exec"), scope)
    exec(AFTER.get(page, ""), scope)


def test_what_does_not_run():
    reasons = [reason for page in PAGES for reason, kind, _ in blocks(page) if reason]
    assert len(reasons) == NOT_RUN
    assert all(len(reason) > 20 for reason in reasons)


def test_kinds_of_blocks():
    """A block without a language, or with a new one, would not be looked at."""
    kinds = {kind for page in PAGES for _, kind, _ in blocks(page)}
    assert kinds <= {"python", "sh", "c", "js", "dockerfile", "yaml", "text"}


def commands():
    """Page and words of every command of foldnet's in a block or in a line of text."""
    for page in [*PAGES, *(f"docs/guides/{path.name}" for path in (ROOT / "docs" / "guides").glob("*.md"))]:
        text = (ROOT / page).read_text()
        shell = "\n".join(code for _, kind, code in blocks(page) if kind == "sh").replace("\\\n", "")
        inline = re.findall(r"`(foldnet [a-z]+ [^`\n]*)`", BLOCK.sub("", text))
        for line in [*shell.splitlines(), *inline]:
            if line.startswith("foldnet "):
                yield page, shlex.split(line, comments=True)[1:]


def test_commands_have_their_options():
    known = main.list_commands(None)
    count = 0
    for page, (name, *words) in commands():
        assert name in known, (page, name)
        command = main.get_command(None, name)
        parser = command.make_parser(click.Context(command))
        try:
            _, rest, _ = parser.parse_args([word for word in words if word != "…"])
        except click.MissingParameter:
            rest = []
        except click.UsageError as error:
            pytest.fail(f"{page}: foldnet {name} {' '.join(words)}: {error.format_message()}")
        assert rest == [], (page, name, words)
        count += 1
    assert count > 15
