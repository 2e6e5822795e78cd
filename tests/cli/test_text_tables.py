"""Commands on tables of texts: cells as they are, names and rows told apart, and what is no text named."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foldnet import Input, Model, freeze, layers, load_model
from foldnet.errors import InputError
from foldnet.tables import Selection, open_table
from tests.insight.insight_networks import fill

COLOURS = ["red", "007", "", "grün, hell", ' "quoted"', "7", "NA", "nan", "blue"]
SIZES = np.linspace(-2, 3, len(COLOURS)).astype(np.float32)


def read(path, *selection, rows=None, **options):
    with open_table(path, Selection(*selection), texts=True, **options) as table:
        return np.concatenate([np.empty((0, *table.row_shape), object), *table.blocks(rows)]).tolist()


def csv_file(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "selection", "options"),
    [
        ('007,"a, b"\n,nan\n', (), {"header": False}),
        ("x,y\n007,\"a, b\"\n,nan\n", (), {"header": True}),
        ('x;y;n\r\n007;"a, b";1\r\n;nan;2\r\n\r\n', ("1-2",), {}),  # a number under n
        ('\ufeffn\tx\ty\n1\t007\t"a, b"\n2\t\tnan\n', (None, "n"), {}),
        ('n,x,y\nno,007,"a, b"\nno,,nan\n', ("x,y",), {}),  # by names
        ('no,007,"a, b"\nno,,nan\n', ("2-3",), {"header": False, "missing": ["no"]}),
    ],
)  # fmt: skip
def test_cells_of_a_csv_are_texts_as_they_are(tmp_path, text, selection, options):
    path = csv_file(tmp_path, text)
    assert read(path, *selection, **options) == [["007", "a, b"], ["", "nan"]]
    assert read(path, *selection, rows=1, **options) == [["007", "a, b"], ["", "nan"]]


def test_cells_keep_their_blanks(tmp_path):
    assert read(csv_file(tmp_path, 'x,y\n a,"b "\n \t, \n'), header=True) == [[" a", "b "], [" \t", " "]]


def test_cells_that_are_all_numbers_are_no_names(tmp_path):
    assert read(csv_file(tmp_path, "007,1\n8,x\n")) == [["007", "1"], ["8", "x"]]


@pytest.mark.parametrize(
    ("text", "selection", "options", "message"),
    [
        ("a,b\nc,d\n", (), {}, "first line may name the columns, or be a row of texts.*--header.*--no-header"),
        ("a\n7\n", (), {}, "may name the columns"),
        ("a,b\nc,d\n", ("1",), {}, "may name the columns"),
        ("a,b\n", (), {}, "may name the columns"),
        ("a,b\n\nc,1\n", ("1",), {}, "may name the columns"),
        ("red,1\nblue,2\n", ("1",), {}, "both numbers and text"),
        ("a,b\nc\n", (), {"header": True}, "line 2 has 1 cells, the first line 2"),
        ("a,n\nb,1\nc\n", ("1",), {}, "line 3 has 1 cells, the first line 2"),
        ("a\nb\n\nc\n", (), {"header": True}, 'line 3 is empty: write "" for an empty text'),
        ("a\nb\n\n", (), {"header": True}, "line 3 is empty"),
        ("a,b\nb,c\n\nc,d\n", (), {"header": True}, "line 3 is empty, but there are rows after it"),
        ("a,b\nb, NA\n", (), {"header": True, "missing": ["NA"]}, r"line 2, column 2 \(b\): ' NA' means a missing"),
        ("a,n\nNA,1\n", ("1",), {"missing": ["NA"]}, r"line 2, column 1 \(a\): 'NA'"),
        ("\n", (), {}, "empty"),
        ("a,b\n", ("3",), {"header": True}, "no column '3'"),
    ],
)  # fmt: skip
def test_csv_of_texts_refuses_by_place(tmp_path, text, selection, options, message):
    with pytest.raises(InputError, match=message):
        read(csv_file(tmp_path, text), *selection, **options)


def test_parquet_and_npy_of_texts(tmp_path):
    rows = [["007", "é"], ["", "x" * 50]]
    columns = {f"c{k}": column for k, column in enumerate(zip(*rows, strict=True))}
    table = pa.table(
        columns | {"n": [1, 2], "d": pa.array(["a", "b"]).dictionary_encode(), "l": [["a"], ["b"]]}
    )
    table = table.append_column("large", pa.array(["u", "v"], pa.large_string()))
    pq.write_table(table.append_column("missing", pa.array(["a", None])), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", "c0,c1") == rows
    assert read(tmp_path / "t.parquet", "d,large", rows=1) == [["a", "u"], ["b", "v"]]
    for column, message in (
        ("n", "'n' holds int64, not texts"), ("l", "not texts"), ("missing", "row 2, column 'missing'.*empty text")
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read(tmp_path / "t.parquet", column)
    np.save(tmp_path / "t.npy", np.array(rows))
    assert read(tmp_path / "t.npy") == rows
    assert read(tmp_path / "t.npy", "2") == [["é"], ["x" * 50]]
    np.save(tmp_path / "n.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match="float64; expected texts"):
        read(tmp_path / "n.npy")
    with pytest.raises(InputError, match="<U50; expected integers"):
        open_table(tmp_path / "t.npy")


# -- the commands --


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A network of a text and a number, and its rows as one CSV and as one Parquet file."""
    folder = tmp_path_factory.mktemp("mixed")
    colour, size = Input((1,), dtype="string", name="colour"), Input((1,), name="size")
    known = layers.StringLookup(vocabulary=["red", "007", "7", "NA", "nan"], output_mode="one_hot")(colour)
    hashed = layers.Hashing(4, output_mode="one_hot", name="hashed")(colour)
    x = layers.BatchNormalization(name="bn")(layers.Concatenate()([known, hashed, size]))
    model = fill(Model([colour, size], layers.Dense(1, name="y")(x)))
    model.save(folder / "mixed.keras")
    freeze(model).save(folder / "mixed.foldnet")
    text = io.StringIO()
    text.write("colour,size,y\n")
    for colour, size in zip(COLOURS, SIZES, strict=True):
        quoted = colour.replace('"', '""')
        text.write(f'"{quoted}",{size!s},1\n')
    csv_file(folder, text.getvalue(), "rows.csv")
    pq.write_table(pa.table({"colour": COLOURS, "size": SIZES}), folder / "rows.parquet")
    rows = [np.array(COLOURS)[:, None], SIZES[:, None]]
    return folder, model, freeze(model)(rows)


def data(folder, name="rows.csv"):
    return ["--data", folder / name, "--columns", "colour", "--data", folder / name, "--columns", "size"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("network", ["mixed.keras", "mixed.foldnet"])
def test_predict_reads_texts_and_numbers(foldnet, mixed, name, network):
    folder, _, expected = mixed
    got = foldnet.json("predict", folder / network, *data(folder, name))
    np.testing.assert_allclose(np.array(got["rows"]), expected, rtol=1e-6)


def test_predict_says_where_a_table_is_wrong(foldnet, mixed, tmp_path):
    folder, _, _ = mixed
    path = csv_file(tmp_path, "colour,size\nred,1\nblue\n")
    out = ["-o", tmp_path / "out.csv"]
    said = foldnet.refused("predict", folder / "mixed.keras", *data(tmp_path, path.name), *out)
    assert "line 3 has 1 cells" in said
    path.write_text("red,a\nblue,b\n")
    options = ["--data", path, "--columns", "1", "--data", path, "--columns", "2"]
    assert "--no-header" in foldnet.refused("predict", folder / "mixed.keras", *options)
    said = foldnet.refused("predict", folder / "mixed.keras", *options, *out, "--no-header")
    assert "line 1, column 2: 'a' is not a number" in said
    assert "'colour' takes 1 values per row" in foldnet.refused(
        "predict", folder / "mixed.keras", "--data", path, "--data", path, "--no-header"
    )


def test_other_commands_read_texts(foldnet, mixed, tmp_path):
    folder, model, _ = mixed
    network = folder / "mixed.keras"
    assert "codes(colour)" in foldnet.ok("explain", network, *data(folder))
    assert foldnet.json("explain", network, *data(folder))
    found = foldnet("doctor", network, *data(folder), "--json")
    assert "statistics-differ-from-data" in found.stdout
    foldnet.ok("recalibrate", network, *data(folder), "-o", tmp_path / "again.keras")
    foldnet.ok("freeze", network, "--to-c", tmp_path / "mixed_c")
    for table in ([], data(folder)):
        assert foldnet.json("verify", network, "--against", tmp_path / "mixed_c", *table)["ok"]
    rows = [np.array(COLOURS)[:, None], SIZES[:, None]]
    hidden = Model(model.inputs, model.get_layer("bn").input).predict(rows)
    mean = load_model(tmp_path / "again.keras").get_layer("bn").get_weights()[2]
    np.testing.assert_allclose(mean, hidden.mean(axis=0), rtol=1e-5)
