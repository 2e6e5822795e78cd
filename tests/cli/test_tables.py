"""Tables: what is read is what is there, what is written reads back, and what is no number is named."""

import gzip
import io
import pickle
import sys
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foldnet.errors import FileFormatError, FoldnetError, InputError, UnsupportedError
from foldnet.tables import Selection, create_table, open_table


def read(path, *selection, rows=None, **options):
    with open_table(path, Selection(*selection), **options) as table:
        return np.concatenate([np.empty((0, *table.row_shape)), *table.blocks(rows)])


def csv_file(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2.5\n-3e2,nan\n",
        "1,2.5\n-3e2,nan",
        "a;b\r\n1;2.5\r\n-3e2;nan\r\n\r\n\r\n",
        "\ufeffa,b\n1,2.5\n-3e2,NaN\n",
        '"a,x","b"\n"1"," 2.5"\n-3e2 ,nan\n',
        "a\tb\n1\t2.5\n-3e2\tnan\n",
    ],
)
def test_csv_dialects(tmp_path, text):
    np.testing.assert_array_equal(read(csv_file(tmp_path, text)), [[1, 2.5], [-300, np.nan]])


def test_csv_columns_keep_their_names_and_order(tmp_path):
    path = csv_file(tmp_path, 'id,"x, y",z,w\nA1,1,2,3\nB2,4,5,6\n')
    with open_table(path, Selection('4,"x, y"')) as table:
        assert table.columns == ("w", "x, y")
        np.testing.assert_array_equal(next(table.blocks()), [[3, 1], [6, 4]])
    np.testing.assert_array_equal(read(path, "2-4", "z"), [[1, 3], [4, 6]])
    np.testing.assert_array_equal(read(path, None, "id"), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(read(path, "3"), [[2], [5]])


def test_csv_blocks_are_of_the_size_asked_for(tmp_path):
    path = csv_file(tmp_path, "a\n" + "\n".join(map(str, range(7))))
    with open_table(path) as table:
        assert [b[:, 0].tolist() for b in table.blocks(3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_header_can_be_said(tmp_path):
    path = csv_file(tmp_path, "1,2\n3,4\n")
    assert read(path, header=True).tolist() == [[3, 4]]
    assert read(path, header=False).tolist() == [[1, 2], [3, 4]]
    mixed = csv_file(tmp_path, "a,1\n3,4\n")
    assert read(mixed, header=True).tolist() == [[3, 4]]
    with pytest.raises(InputError, match=r"--header.*--no-header"):
        read(mixed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,x\n", r"line 3, column 2 \(b\): 'x' is not a number"),
        ("1,2\n3,\n", r"line 2, column 2: '' is not a number. A missing value"),
        ("a,b\n1,1_0\n", "'1_0' is not a number"),
        ("a;b\n1;2,5\n", "'2,5' is not a number"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells, the first line 2"),
        ("a,b\n1\n", "line 2 has 1 cells"),
        ("a,b\n1,2\n\n3,4\n", "line 3 is empty"),
        ("", "empty"),
        ("\n1,2\n", "empty"),
        ('a,b\n1,"2', "line 2"),
        (b"a,b\n1,\xff\n", "UTF-8"),
    ],
)
def test_csv_refuses_by_place(tmp_path, text, message):
    with pytest.raises(FoldnetError, match=message):
        read(csv_file(tmp_path, text))


@pytest.mark.parametrize(
    ("columns", "drop", "message"),
    [
        ("c", None, "no column 'c'; the table has 2 columns: a, b"),
        ("3", None, "no column '3'"),
        ("0", None, "no column '0'"),
        ("2-1", None, "no column '2-1'"),
        (None, "1-2", "no column is left"),
    ],
)
def test_unknown_columns_are_named(tmp_path, columns, drop, message):
    with pytest.raises(InputError, match=message):
        read(csv_file(tmp_path, "a,b\n1,2\n"), columns, drop)


def test_a_name_twice_must_be_chosen_by_place(tmp_path):
    path = csv_file(tmp_path, "a,a\n1,2\n")
    with pytest.raises(InputError, match="2 columns are named 'a'"):
        read(path, "a")
    assert read(path, "2").tolist() == [[2]]


def test_csv_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\ufeff1,2\n"))
    assert read("-").tolist() == [[1, 2]]


numbers = st.sampled_from(
    [np.float32, np.float64, np.int64, np.int8, np.bool_, np.dtype(">f4"), np.dtype(">i2")]
)


@given(
    hnp.arrays(numbers, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)),
    st.integers(1, 4),
    st.booleans(),
)
def test_npy_is_read_whole_in_any_blocks(tmp_path_factory, array, rows, fortran):
    path = tmp_path_factory.mktemp("npy") / "t.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    with open_table(path) as table:
        blocks = list(table.blocks(rows))
        assert table.rows == len(array)
    assert all(len(b) == rows for b in blocks[:-1])
    assert all(b.dtype.isnative for b in blocks)
    np.testing.assert_array_equal(np.concatenate([array[:0], *blocks]), array)


def test_npy_of_other_ranks(tmp_path):
    np.save(tmp_path / "one.npy", np.arange(3.0))
    np.save(tmp_path / "image.npy", np.arange(24.0).reshape(2, 3, 4))
    assert read(tmp_path / "one.npy").tolist() == [[0], [1], [2]]
    assert read(tmp_path / "image.npy").shape == (2, 3, 4)
    with pytest.raises(InputError, match="columns can be chosen"):
        read(tmp_path / "image.npy", "1")
    np.save(tmp_path / "flat.npy", np.arange(6.0).reshape(2, 3))
    assert read(tmp_path / "flat.npy", "3,1").tolist() == [[2, 0], [5, 3]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_is_not_held_in_memory(tmp_path, order):
    """Parts of it are maps of the file, or small copies; what is read is forgotten with its block."""
    array = np.asarray(np.random.default_rng(0).normal(size=(200_000, 11)), np.float32, order=order)
    np.save(tmp_path / "t.npy", array)
    tracemalloc.start()
    with open_table(tmp_path / "t.npy") as table:
        first = 0
        for block in table.blocks(table.block_rows(large=True) // 4):
            assert np.array_equal(block, array[first : first + len(block)])
            assert not block.flags.owndata
            first += len(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first == len(array)
    assert peak < (3 << 20 if order == "F" else 1 << 19)


def test_a_cut_off_npy_is_refused(tmp_path):
    path = tmp_path / "t.npy"
    for order in "CF":
        np.save(path, np.ones((100, 3), order=order))
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(
            FileFormatError, match=r"shape \(100, 3\) of float64, and only 2,399 bytes follow"
        ):
            read(path)


def test_npy_refuses_what_holds_no_numbers(tmp_path):
    path = tmp_path / "t.npy"
    for bad in (np.array(["a"]), np.array([1j]), np.array(3.0), np.array(["2020"], "M8[Y]")):
        np.save(path, bad)
        with pytest.raises(InputError, match="expected"):
            read(path)
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(FileFormatError, match="not a readable"):
        read(path)
    for raw in (b"", b"junk", pickle.dumps(np.ones((2, 2))), b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'"):
        path.write_bytes(raw)
        with pytest.raises(FileFormatError, match="not a readable"):
            read(path)
    np.save(path, np.ones((100, 3)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="not a readable"):
        read(path)


def test_parquet_columns_and_blocks(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {
        "a": np.arange(5),
        "id": list("vwxyz"),
        "b": np.linspace(0, 1, 5, dtype=np.float32),
        "c": [True] * 5,
    }
    pq.write_table(pa.table(columns), path)
    with open_table(path, Selection(None, "id")) as table:
        assert (table.columns, table.rows) == (("a", "b", "c"), 5)
        np.testing.assert_array_equal(
            np.concatenate(list(table.blocks(2))), np.column_stack([columns[k] for k in "abc"])
        )
    assert read(path, "b,a")[1].tolist() == [0.25, 1]
    with pytest.raises(InputError, match="'id' holds string"):
        read(path)


def test_parquet_refusals(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0, None, 4.0]}), path)
    with pytest.raises(InputError, match="row 3, column 'a'"):
        read(path, rows=2)
    path.write_bytes(b"PAR1 junk PAR1")
    with pytest.raises(FileFormatError, match="not a readable Parquet"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedError, match=r"foldnet\[parquet\]"):
        read(path)


def test_other_formats_are_refused_by_name(tmp_path):
    with pytest.raises(UnsupportedError, match=r"not from \.xlsx"):
        read(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"not as \.json"):
        create_table(tmp_path / "t.json", ["a"])
    with pytest.raises(InputError, match=r"no folder .*none"):
        create_table(tmp_path / "none" / "t.csv", ["a"])
    with pytest.raises(InputError, match=r"more than two axes"):
        create_table(tmp_path / "t.csv", None)


@pytest.mark.parametrize("name", ["t.csv", "t.npy", "t.parquet", "t.tsv"])
@given(data=st.data())
def test_what_is_written_reads_back_to_the_bit(tmp_path_factory, name, data):
    width = data.draw(st.integers(1, 3))
    shapes = [(data.draw(st.integers(0, 4)), width) for _ in range(data.draw(st.integers(0, 3)))]
    blocks = [data.draw(hnp.arrays(np.float32, shape)) for shape in shapes]
    path = tmp_path_factory.mktemp("t") / name
    with create_table(path, [f"c{i}" for i in range(width)]) as table:
        for block in blocks:
            table.write(block)
    expected = np.concatenate([np.empty((0, width), np.float32), *blocks])
    back = read(path).astype(np.float32)
    if expected.size:
        np.testing.assert_array_equal(back, expected)
    else:
        assert len(back) == 0
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["t.csv", "t.npy", "t.parquet"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    table = create_table(path, ["a"])
    table.write(np.ones((2, 1), np.float32))
    table.__exit__(RuntimeError, RuntimeError(), None)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_reading_a_long_csv_keeps_memory_bounded(tmp_path):
    path = tmp_path / "long.csv"
    line = ",".join(["0.12345678901"] * 8) + "\n"
    with path.open("w") as file:
        file.write(",".join("abcdefgh") + "\n")
        for _ in range(80):
            file.write(line * 1000)
    out = tmp_path / "out.npy"
    tracemalloc.start()
    try:
        with open_table(path) as table, create_table(out, None) as results:
            for block in table.blocks():
                results.write(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.load(out, mmap_mode="r").shape == (80_000, 8)
    assert peak < 20 * 2**20  # the text is 9 MB, and as a list of rows it would take 40 MB


def test_a_first_line_that_counts_from_0_is_no_row_and_that_is_said(tmp_path):
    path = csv_file(tmp_path, "0,1,2\n5.1,3.5,1.4\n0,1,2\n")
    with pytest.warns(UserWarning, match=r"counts from 0 to 2.*--no-header") as caught:
        assert read(path).tolist() == [[5.1, 3.5, 1.4], [0, 1, 2]]
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="counts"), open_table(path) as table:
        assert table.columns == ("0", "1", "2")
    assert read(path, header=True).tolist() == [[5.1, 3.5, 1.4], [0, 1, 2]]
    assert len(read(path, header=False)) == 3
    for others in ("1,2,3\n4,5,6\n", "0.0,1,2\n4,5,6\n", "0,1,3\n4,5,6\n", "0,2,1\n4,5,6\n"):
        assert len(read(csv_file(tmp_path, others))) == 2


def test_a_first_line_of_0_alone_is_asked_about(tmp_path):
    path = csv_file(tmp_path, "0\n1\n2\n")
    with pytest.raises(InputError, match=r"0 alone.*--header.*--no-header"):
        read(path)
    assert read(path, header=False).tolist() == [[0], [1], [2]]
    assert read(path, header=True).tolist() == [[1], [2]]
    assert read(csv_file(tmp_path, "0.0\n1\n")).tolist() == [[0], [1]]


def test_the_decimal_sign(tmp_path):
    path = csv_file(tmp_path, "a;b\n1,5;-2,25e3\n3;nan\n")
    np.testing.assert_array_equal(read(path, decimal=","), [[1.5, -2250], [3, np.nan]])
    with pytest.raises(InputError, match=r"'1,5' is not a number. Give --decimal ,"):
        read(path)
    with pytest.raises(InputError, match=r"'1.5' is not a number. Give --decimal \."):
        read(csv_file(tmp_path, "a;b\n1.5;2\n"), decimal=",")
    with pytest.raises(InputError, match="both the delimiter"):
        read(path, decimal=",", delimiter=",")
    # With a decimal comma, a comma never separates cells by itself.
    assert read(csv_file(tmp_path, "1,5\n2,5\n"), decimal=",").tolist() == [[1.5], [2.5]]


def test_texts_that_mean_no_value(tmp_path):
    path = csv_file(tmp_path, "a,b\n-999,NA\n ? ,1\n")
    expected = [[np.nan, np.nan], [np.nan, 1]]
    np.testing.assert_array_equal(read(path, missing=["NA", "?", "-999"]), expected)
    np.testing.assert_array_equal(read(csv_file(tmp_path, "a,b\n,1\n"), missing=[""]), [[np.nan, 1]])
    with pytest.raises(InputError, match=r"'NA' is not a number.*--na"):
        read(csv_file(tmp_path, "a,b\n1,NA\n"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = csv_file(tmp_path, "größe,b\n1,2\n".encode(encoding))
    with open_table(path, encoding=encoding) as table:
        assert table.columns == ("größe", "b")
        assert next(table.blocks()).tolist() == [[1, 2]]
    with pytest.raises(FoldnetError, match="--encoding"):
        read(path)
    with pytest.raises(InputError, match="no text encoding 'klingon'"):
        read(path, encoding="klingon")


def test_compressed_csv(tmp_path):
    whole = gzip.compress(b"a,b\n1,2\n3,4\n")
    assert read(csv_file(tmp_path, whole, "t.csv.gz")).tolist() == [[1, 2], [3, 4]]
    for damaged in (whole[:-6], b"a,b\n1,2\n", whole[:12] + b"\xff\xff\xff" + whole[15:]):
        with pytest.raises(FileFormatError, match="not a whole gzip file"):
            read(csv_file(tmp_path, damaged, "t.csv.gz"))


def test_other_signs_between_cells_are_named(tmp_path):
    with pytest.raises(InputError, match=r"give --delimiter '\|'"):
        read(csv_file(tmp_path, "a|b\n1|2\n"))
    assert read(csv_file(tmp_path, "a|b\n1|2\n"), delimiter="|").tolist() == [[1, 2]]
    with pytest.raises(InputError, match=r"Give --delimiter ' '"):
        read(csv_file(tmp_path, "a b\n1 2\n"))


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
