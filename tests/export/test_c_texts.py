"""Exported C of networks that take texts: a function gives the code of each, whatever bytes it has."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest

import foldnet
from foldnet import Model, layers
from foldnet.errors import InputError
from foldnet.graph.sample_texts import LENGTHS, sample_texts
from foldnet.graph.texts import Texts
from foldnet.layers import Dense, Flatten, Hashing, Input, StringLookup
from tests.export.test_c import build, csv, numbers, run
from tests.insight.insight_networks import fill
from tests.support.compilers import COMPILERS, sanitizers

ODD = [
    "red", "", "r", "rede", "NUL\0inside", "NUL\0", "\0", '"quotes"', "back\\slash", "??/", "*/ /* //", "% d\n\r\t",
    "é", "e\u0301", "\u00ff", "\u0100", "日本語", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f600",
    "\U0010ffff", "\u202e turned", "`@words@`", "long " * 2000,
]  # fmt: skip
"""Known texts. By UTF-16 those from U+E000 on would come after those above U+FFFF."""
OTHERS = ["other", "re", "NUL", "NUL\0\0", "\U0001f601", "x" * 4096, *("y" * n for n in range(140))]

DRIVER = """
#include "predict.h"
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  unsigned char head[4];
  while (fread(head, 1, 4, stdin) == 4) {
    size_t length = head[0] + 256u * head[1] + 65536u * head[2];
    char *text = malloc(length);
    if (fread(text, 1, length, stdin) != length)
      return 1;
    printf("%ld\\n", (long)CODER(text, length));
    free(text);
  }
  return 0;
}
"""
"""Each text in memory of exactly its size, so that a sanitizer sees what is read beyond it."""


def network():
    """Two inputs of texts and one of numbers; the texts of one are read by three layers."""
    words, number = Input((2,), dtype="string", name="words"), Input((3,), name="number")
    other = Input((), dtype="string", name="words 2")
    parts = [
        StringLookup(vocabulary=ODD, num_oov_indices=3, output_mode="count", name="known")(words),
        Hashing(7, mask_value="red", output_mode="multi_hot")(words),
        StringLookup(vocabulary=["z", "red"], output_mode="multi_hot")(words),
        Flatten()(Hashing(5, output_mode="one_hot")(other)),
        number,
    ]
    return fill(Model([words, number, other], Dense(2)(layers.Concatenate()(parts))))


def codes_of(program, folder, texts):
    """What the driver prints for texts."""
    data = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    (folder / "texts.bin").write_bytes(data)
    done = run(["sh", "-c", f"./{program} < texts.bin"], folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [int(line) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    frozen = foldnet.freeze(network())
    frozen.to_c(folder, name="net")
    (folder / "driver.c").write_text(DRIVER)
    return frozen, folder


def test_known_texts_ascend_by_their_bytes_too():
    """C compares bytes, Python code points."""
    table = foldnet.freeze(network()).graph.texts["words"].known
    assert [t.encode() for t in table] == sorted(t.encode() for t in table)
    assert [t.encode("utf-16-be") for t in table] != sorted(t.encode("utf-16-be") for t in table)


@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("char", ["signed", "unsigned"])
def test_codes_are_those_of_the_table(exported, cc, char):
    frozen, folder = exported
    table = frozen.graph.texts["words"]
    assert (len(table.known), table.bins) == (len(ODD) + 1, 6)
    build(
        folder, "-O1", f"-f{char}-char", "-DCODER=net_code_words", *sanitizers(cc),
        "driver.c", "predict.c", output=f"driver_{cc}_{char}", cc=cc,
    )  # fmt: skip
    texts = [*ODD, "z", *OTHERS, *sample_texts(table)]
    assert codes_of(f"driver_{cc}_{char}", folder, texts) == [table.code(text) for text in texts]
    build(folder, "-O0", *sanitizers(cc), "self_test.c", output=f"self_test_{cc}", cc=cc)
    done = run([f"./self_test_{cc}"], folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_rows_of_codes_are_predicted(exported):
    frozen, folder = exported
    rng = np.random.default_rng(3)
    rows = [rng.choice([*ODD, *OTHERS], (9, 2)), rng.normal(size=(9, 3)), rng.choice([*ODD, *OTHERS], 9)]
    tables = frozen.graph.texts
    codes = [tables["words"].read(rows[0], ""), rows[1], tables["words 2"].read(rows[2], "")]
    build(folder, "-O0", "main.c", output="predict")
    done = run(["./predict"], folder, csv(codes))
    np.testing.assert_allclose(numbers(done.stdout), frozen(rows), rtol=1e-5, atol=1e-5)
    for far in ("-2147483648", "2147483647", "-7", "99"):  # what is no code reads nothing beyond the tables
        assert run(["./predict"], folder, f"{far},{far},0,0,0,{far}\n").returncode == 0


def test_the_self_test_sees_a_wrong_table_and_a_wrong_hash(exported, tmp_path):
    _, folder = exported
    code = (folder / "predict.c").read_text()
    for old, new in [("114,101,100,", "114,101,101,"), ("* k2 ^ z * k0", "* k0 ^ z * k2"), ("% 6u", "% 5u")]:
        assert old in code
        for name in ("predict.h", "self_test.c"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        (tmp_path / "predict.c").write_text(code.replace(old, new))
        build(tmp_path, "-O0", "self_test.c", output="self_test")
        done = run(["./self_test"], tmp_path)
        assert done.returncode == 1
        assert "net_code_words gives text" in done.stderr


def test_what_is_declared_and_said(exported):
    _, folder = exported
    files = {name: (folder / name).read_text() for name in ("predict.h", "README.md", "main.c")}
    for function in ("net_code_words", "net_code_words_2"):
        assert re.search(
            rf"NET_API int32_t {function}\(const char \*text, size_t length\);", files["predict.h"]
        )
        assert all(function in text for text in files.values())
    assert "x_words[0] = net_code_words(" in files["README.md"]


@pytest.mark.parametrize("layer", [
    StringLookup(vocabulary=["b", "a"]), StringLookup(vocabulary=["b", "a"], num_oov_indices=0), Hashing(1),
    StringLookup(vocabulary=[""]), Hashing(2**31 - 2),
], ids=["bin", "no bin", "hash", "empty", "many"])  # fmt: skip
def test_only_what_is_needed_is_there(layer, tmp_path):
    """No hash for one bin of other texts; rows of the self-test hold texts that the network takes."""
    x = Input((1,), dtype="string")
    frozen = foldnet.freeze(Model(x, type(layer).from_config(layer.get_config())(x)))
    frozen.to_c(tmp_path, name="net", overwrite=True)
    (table,) = frozen.graph.texts.values()
    code = (tmp_path / "predict.c").read_text()
    assert ("fn_text_hash" in code) == (table.bins > 1)
    (function,) = re.findall(r"int32_t (net_code_\w+)\(", code)
    (tmp_path / "driver.c").write_text(DRIVER)
    build(
        tmp_path, "-O0", f"-DCODER={function}", *sanitizers("gcc"), "driver.c", "predict.c", output="driver"
    )
    texts = ["a", "b", "", "c", *OTHERS]
    assert codes_of("driver", tmp_path, texts) == [table.code(text) for text in texts]
    build(tmp_path, "-O0", "self_test.c", output="self_test")
    assert run(["./self_test"], tmp_path).returncode == 0


def test_texts_of_free_length(tmp_path):
    x = Input((None,), dtype="string", name="words")
    y = layers.GlobalMaxPooling1D()(layers.Embedding(4, 2)(StringLookup(vocabulary=["a", "b", "c"])(x)))
    frozen = foldnet.freeze(fill(Model(x, y)))
    rows = np.array([["a", "c", "d"], ["b", "b", ""]])
    frozen.to_c(tmp_path, name="net", x=rows)
    assert "ROWS 2" in (tmp_path / "self_test.c").read_text()
    for file in ("main", "self_test"):
        build(tmp_path, "-O0", f"{file}.c", output=file)
    assert run(["./self_test"], tmp_path).returncode == 0
    done = run(["./main", "3"], tmp_path, csv([frozen.graph.texts["words"].read(rows, "")]))
    np.testing.assert_allclose(numbers(done.stdout), frozen(rows), rtol=1e-5)
    with pytest.raises(InputError, match="'words' takes texts"):
        frozen.to_c(tmp_path / "other", x=np.zeros((2, 3)))


FLASH = """
#pragma once
#include <stdint.h>
#define PROGMEM
static float pgm_read_float(const float *place) { return *place; }
static uint8_t pgm_read_byte(const unsigned char *place) { return (uint8_t)(*place ^ 1); }
static uint32_t pgm_read_dword(const uint32_t *place) { return *place - 1000; }
"""
"""Flash in which bytes and places are other ones: what is read around it shows at once."""


def test_on_avr_known_texts_are_read_from_flash(tmp_path):
    x = Input((1,), dtype="string", name="words")
    frozen = foldnet.freeze(
        fill(Model(x, Dense(1)(StringLookup(vocabulary=["bc", "b", "é"], output_mode="count")(x))))
    )
    frozen.to_c(tmp_path, name="net")
    code = (tmp_path / "predict.c").read_text()
    for array, change in (("known_1", lambda n: n ^ 1), ("starts_1", lambda n: n + 1000)):
        head, body, rest = re.split(rf"({array}\[\d+\] TEXT_FLASH = {{.*?}};)", code, maxsplit=1, flags=re.S)
        start = body.index("{")
        numbers_in = re.sub(r"/\*.*?\*/", "", body[start:])
        code = head + body[:start] + re.sub(r"\d+", lambda n, f=change: str(f(int(n[0]))), numbers_in) + rest
    (tmp_path / "predict.c").write_text(code)
    (tmp_path / "avr").mkdir()
    (tmp_path / "avr" / "pgmspace.h").write_text(FLASH)
    build(tmp_path, "-O0", "-D__AVR__", "-I.", "self_test.c", output="flash")
    assert run(["./flash"], tmp_path).returncode == 0
    build(tmp_path, "-O0", "self_test.c", output="around")
    assert run(["./around"], tmp_path).returncode != 0


def test_samples_reach_every_code_and_every_length():
    table = Texts(("a", "b", "longer than that"), bins=9)
    found = sample_texts(table)
    assert {table.code(text) for text in found} == set(range(-9, 3))
    assert len(set(found)) == len(found)
    assert set(LENGTHS) <= {len(text) for text in sample_texts(Texts((), bins=1000))}
    assert sample_texts(table, [0, 2]) == ["a", "longer than that"]
    some = sample_texts(table, [1, -3])
    assert {table.code(text) for text in some} == {1, -3}
