"""The folder that ``to_wasm`` writes: its files and their size, and what is refused before anything is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.cli import main
from foldnet.engines.native import compiler
from foldnet.engines.native.compiler import Compiler
from foldnet.errors import CompileError, InputError, UnsupportedError
from foldnet.export.wasm import compile as compiling
from foldnet.export.wasm import to_wasm, wasm_files
from foldnet.export.wasm.compile import compile_wasm
from foldnet.export.wasm.files import shipped
from foldnet.export.wasm.source import wasm_source
from foldnet.files.overwrite import is_ours
from foldnet.operations.cases import Case, Rows
from foldnet.operations.structure.op import Reshape
from tests.export.export_nets import NETWORKS
from tests.export.test_wasm import elementwise_cases
from tests.insight.insight_networks import fill
from tests.operations.op_cases import PREDICTING, joined
from tests.support.node import NEEDS_NODE, answers

pytestmark = pytest.mark.as_shipped
MOST = 30_000
"""Bytes of all files for the wine network together."""


@pytest.fixture(scope="module")
def wine(demo_network):
    return foldnet.freeze(demo_network)


@pytest.fixture(scope="module")
def demo_network():
    return str(Path(foldnet.__file__).parent / "demo" / "wine.keras")


def page_data(folder):
    text = (folder / "index.html").read_text()
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


def test_size_marks_and_the_same_bytes_twice(wine, tmp_path):
    names = [f"feature {k} of the table" for k in range(11)]
    first = to_wasm(wine, tmp_path / "a", name="wine", feature_names=names)
    again = to_wasm(wine, tmp_path / "b", name="wine", feature_names=names)
    assert [p.name for p in first] == [
        "wine.js", "wine.d.ts", "wine.wasm", "wine.simd.wasm", "index.html", "page.css", "page.js", "table.js",
        "package.json",
    ]  # fmt: skip
    assert sorted(first) == sorted((tmp_path / "a").iterdir())
    assert sum(p.stat().st_size for p in first) <= MOST
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert is_ours(one)
    to_wasm(wine, tmp_path / "a", name="wine")  # over its own
    assert page_data(tmp_path / "b")["columns"] == [names]
    assert page_data(tmp_path / "a")["columns"] == [None]
    assert first[2].read_bytes()[:8] == first[3].read_bytes()[:8] == b"\0asm\1\0\0\0"


@pytest.mark.parametrize("simd", [True, False])
def test_the_c_compiles_without_warnings(simd, monkeypatch):
    """Of every elementwise function, and so of all of ``math.h``; and of texts and lengths."""
    monkeypatch.setattr(compiling, "_OPTIONS", (*compiling._OPTIONS, "-Wall", "-Wextra", "-Werror"))
    cases = elementwise_cases()
    graph = joined(PREDICTING[label].graph(fixed=True) for label in cases.values())
    assert compile_wasm(wasm_source(graph, graph.inputs, graph.outputs).code, simd=simd)
    a, b = Input((None, 3), name="a"), Input((), dtype="string", name="b")
    pooled = layers.GlobalMaxPooling1D()(layers.Conv1D(2, 2)(a))
    codes = layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")(b)
    network = fill(Model([a, b], layers.Concatenate()([pooled, codes])))
    graph = foldnet.freeze(network).graph
    assert compile_wasm(wasm_source(graph, graph.inputs, graph.outputs).code, simd=simd)


def test_without_zig_nothing_is_written(wine, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "find_zig", lambda: None)
    with pytest.raises(
        CompileError, match=r"zig is not installed\. WebAssembly .*pip install 'foldnet\[compiler\]'"
    ):
        to_wasm(wine, tmp_path / "web")
    assert not (tmp_path / "web").exists()


def test_a_zig_that_fails_or_hangs_leaves_nothing(wine, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "_OPTIONS", ("--no-such-option",))
    with pytest.raises(CompileError, match=r'(?s)refused .*"--no-such-option".*WebAssembly needs'):
        to_wasm(wine, tmp_path / "web")
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 100\n")
    slow.chmod(0o700)
    hanging = Compiler((str(slow),), "a compiler that hangs")
    monkeypatch.setattr(compiling, "find_zig", lambda purpose: hanging)
    monkeypatch.setenv("FOLDNET_COMPILE_SECONDS", "0.2")
    with pytest.raises(CompileError, match=r"gave no answer within 0\.2 s"):
        to_wasm(wine, tmp_path / "web")
    assert list(tmp_path.iterdir()) == [slow]


def test_other_peoples_files_are_left_alone(wine, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match=r"index\.html' exists and was not written by foldnet"):
        to_wasm(wine, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    to_wasm(wine, tmp_path, overwrite=True)
    assert (tmp_path / "index.html").read_text() != "mine"


def test_a_full_disk_leaves_the_old_files(wine, tmp_path, monkeypatch):
    files = to_wasm(wine, tmp_path, name="wine")
    before = [p.read_bytes() for p in files]
    opened = type(tmp_path).open

    def full(path, mode="r", *rest, **more):
        if "x" in mode and "page.js" in path.name:
            raise OSError(28, "No space left on device")
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(type(tmp_path), "open", full)
    with pytest.raises(OSError, match="No space left"):
        to_wasm(foldnet.freeze(NETWORKS["wine"]), tmp_path, name="wine")
    monkeypatch.undo()
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [p.read_bytes() for p in files] == before


def test_names_of_features_must_fit(wine, tmp_path):
    for names in (["a"], ["a"] * 11, "a" * 11, {"other": ["a"]}):
        with pytest.raises(InputError, match="feature_names must be"):
            to_wasm(wine, tmp_path / "web", feature_names=names)
    free = foldnet.freeze(fill(Sequential([Input((None, 2)), layers.Conv1D(2, 2)])))
    with pytest.raises(InputError, match="axes of any length"):
        to_wasm(free, tmp_path / "web", feature_names=["a", "b"])
    two = foldnet.freeze(NETWORKS["lookups"])
    with pytest.raises(InputError, match=r"a dict from \['city', 'size'\] to names"):
        to_wasm(two, tmp_path / "web", feature_names=["a", "b"])
    assert not (tmp_path / "web").exists()
    to_wasm(two, tmp_path / "web", feature_names={"size": ["</script>", "<!--", "é"]})
    assert page_data(tmp_path / "web")["columns"] == [None, ["</script>", "<!--", "é"]]


def test_rows_of_ones_own_are_recorded(wine, tmp_path):
    x = np.random.default_rng(1).normal(size=(5, 11)).astype(np.float32)
    to_wasm(wine, tmp_path, x=x)
    examples = page_data(tmp_path)["examples"]
    np.testing.assert_array_equal(np.float32([e["inputs"][0] for e in examples]), x[: len(examples)])
    np.testing.assert_allclose(np.array([e["outputs"][0] for e in examples]), wine(x)[: len(examples)], 1e-5)
    with pytest.raises(InputError, match=r"shape \(5, 12\)"):
        to_wasm(wine, tmp_path, x=np.zeros((5, 12)))
    x[0, 3] = np.nan
    to_wasm(wine, tmp_path, x=x)
    examples = page_data(tmp_path)["examples"]
    np.testing.assert_array_equal(np.float32([e["inputs"][0] for e in examples]), x[1 : 1 + len(examples)])
    assert len(examples) > 1
    with pytest.raises(InputError, match="none of the first 16 rows of x has finite numbers"):
        to_wasm(wine, tmp_path, x=np.full((2, 11), np.inf))


def test_sizes_that_must_be_known(tmp_path):
    graph = Case("of two", Reshape((4, 3)), (Rows((None, 6)),)).graph(dtype="float32")
    with pytest.raises(UnsupportedError, match=r"to_wasm\(directory, input_shapes="):
        to_wasm(graph, tmp_path)
    with pytest.raises(InputError, match="2 shapes, and the network has 1 inputs"):
        to_wasm(graph, tmp_path, input_shapes=[(2, 6), (2, 6)])
    assert list(tmp_path.iterdir()) == []
    to_wasm(graph, tmp_path, input_shapes=[(2, 6)])
    assert page_data(tmp_path)["examples"]


@pytest.mark.parametrize("name", ["int", "page", "table", 'x"*/\n</script>', "日本", "3d model"])
def test_any_name_will_do(name, tmp_path):
    files = wasm_files(tmp_path, name)
    assert len({p.name for p in files}) == 9
    assert all(p.name.isascii() and "/" not in p.name for p in files)
    assert "<" not in files[0].name


@NEEDS_NODE
def test_names_from_strangers_are_only_text(tmp_path):
    odd = "x\"'`*/-->\n</script><b>@network@${1}"
    x = Input((2,), name='in"</script><b>${1}')
    network = fill(Model(x, layers.Dense(1, name="out</script><b>")(x)))
    files = to_wasm(foldnet.freeze(network), tmp_path, name=odd)
    ((found,),) = answers(files[0], [np.ones((1, 2))])
    assert found.shape == (1, 1)
    html = (tmp_path / "index.html").read_text()
    assert (html.count("</script>"), html.count("<b>")) == (2, 0)
    assert "</script>" not in files[0].read_text().split("\n", 1)[1]  # the first line is a comment


def test_what_a_processor_must_have():
    """The module without vectors has the first version's instructions alone; the other one vectors."""
    newer = ("bulk_memory", "sign_ext", "nontrapping_fptoint", "multivalue", "reference_types", "simd128")
    code = "".join(f"#ifdef __wasm_{name}__\n#error {name}\n#endif\n" for name in newer)
    compile_wasm(code, simd=False)
    with pytest.raises(CompileError, match="error: simd128"):
        compile_wasm(code, simd=True)
    with pytest.raises(CompileError, match="error: relaxed"):
        compile_wasm("#ifndef __wasm_relaxed_simd__\n#error relaxed\n#endif\n", simd=True)


def test_on_the_command_line(demo_network, tmp_path):
    folder = tmp_path / "wine_web"
    done = CliRunner().invoke(main, ["freeze", demo_network, "--to-wasm", str(folder)])
    assert done.exit_code == 0, done.output
    assert (folder / "wine.js").exists()
    (folder / "page.css").write_text("mine")
    done = CliRunner().invoke(main, ["freeze", demo_network, "--to-wasm", str(folder)])
    assert done.exit_code == 2
    assert "--force" in done.output
    assert (folder / "page.css").read_text() == "mine"


def test_comments_and_parts_are_left_out():
    whole = shipped("page.js", {"fields", "table", "picture"})
    short = shipped("page.js", {"lists"})
    assert ["ofPicture" in text for text in (whole, short)] == [True, False]
    assert ["textarea" in text for text in (whole, short)] == [False, True]
    assert all(line == line.strip() and not line.startswith("//") for line in whole.splitlines()[1:])


def test_it_is_not_imported_before_it_is_asked_for():
    code = "import foldnet, sys; assert not any('wasm' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
