"""``foldnet.predict_parts``: every part as the whole table would have it, and no part twice."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import foldnet as fn
from foldnet import layers
from foldnet.errors import ConfigError, FileFormatError, InputError

CHOICE = {"columns": "1-11", "keep": "id"}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.parquet"))}


def record(folder):
    return json.loads((folder / "_foldnet.json").read_text())


def test_parts_have_the_bits_of_the_whole_table(lake, predict, tmp_path):
    seen = []
    report = fn.predict_parts(
        predict, lake.folder, tmp_path / "out", on_part=lambda *a: seen.append(a), **CHOICE
    )
    lake.assert_equal(tmp_path / "out")
    assert sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.parquet")
    ) == (lake.parts)
    assert (report.parts, report.made, report.found, report.rows) == (6, 6, 0, len(lake.x))
    assert 0 < report.predicting < report.working < report.seconds
    assert [(outcome.name, parts) for outcome, parts in seen] == [(name, 6) for name in lake.parts]
    said = record(tmp_path / "out")
    assert (said["complete"], said["parts"], said["rows"]) == (True, 6, len(lake.x))


@pytest.mark.parametrize("how", ["glob", "deep glob", "folder in a pattern", "one file"])
def test_what_names_a_data_set(lake, predict, tmp_path, how):
    pattern, parts = {
        "glob": ("year=2023/*.parquet", ["part-0.parquet", "part-2.parquet", "part-4.parquet"]),
        "deep glob": ("**/part-[01].parquet", lake.parts[:1] + lake.parts[3:4]),
        "folder in a pattern": ("year=202?", lake.parts),
        "one file": ("year=2024/part-3.parquet", ["part-3.parquet"]),
    }[how]
    fn.predict_parts(predict, f"{lake.folder}/{pattern}", tmp_path / "out", **CHOICE)
    made = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.parquet"))
    assert made == parts


def test_what_is_there_stays_and_what_changed_is_made_again(own_lake, predict, tmp_path):
    out = tmp_path / "out"
    fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
    first = times(out)
    report = fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
    assert (report.made, report.found, report.rows) == (0, 6, len(own_lake.x))
    assert times(out) == first

    (out / own_lake.parts[0]).unlink()
    os.utime(own_lake.folder / own_lake.parts[1], ns=(1, 1))
    (own_lake.folder / own_lake.parts[2]).unlink()
    report = fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
    assert (report.parts, report.made, report.found, report.removed) == (5, 2, 3, 1)
    again = times(out)
    assert {name for name in first if again.get(name) == first[name]} == {
        name.split("/")[1] for name in own_lake.parts[3:]
    }
    assert not (out / own_lake.parts[2]).exists()


def test_parts_of_two_recipes_never_meet(lake, predict, tmp_path):
    out = tmp_path / "out"
    fn.predict_parts(predict, lake.folder, out, **CHOICE)
    model = fn.Sequential([layers.Input((11,)), layers.Dense(1)])
    other = fn.freeze(model)
    for wrong, text in [
        ((other, lake.folder, CHOICE), "another model"),
        ((predict, lake.folder, {"columns": "2-12", "keep": "id"}), "other columns"),
        ((predict, lake.folder, {"columns": "1-11"}), "other columns"),
        ((predict, f"{lake.folder}/*", CHOICE), "other data"),
    ]:
        with pytest.raises(InputError, match=text):
            fn.predict_parts(wrong[0], wrong[1], out, **wrong[2])
    lake.assert_equal(out)
    report = fn.predict_parts(other, lake.folder, out, overwrite=True, **CHOICE)
    assert (report.made, report.found) == (6, 0)
    assert lake.results(out).tobytes() == other(lake.x).tobytes()
    (out / "_foldnet.json").write_text('{"format": 1}')
    with pytest.raises(FileFormatError, match=r"not a record of foldnet .*--force"):
        fn.predict_parts(predict, lake.folder, out, **CHOICE)


def test_the_same_columns_may_be_chosen_in_another_way(own_lake, predict, tmp_path):
    out = tmp_path / "out"
    fn.predict_parts(predict, own_lake.folder, out, **CHOICE)
    names = pq.read_schema(own_lake.folder / own_lake.parts[0]).names[:11]
    for choice in ({"columns": names, "keep": ["id"]}, {"columns": "1-5,6-11", "keep": ("id",)}):
        report = fn.predict_parts(predict, own_lake.folder, out, **choice)
        assert (report.made, report.found) == (0, 6)
    for wrong in ({"columns": names[::-1], "keep": "id"}, {"columns": names, "keep": ["id", names[0]]}):
        with pytest.raises(InputError, match="other columns"):
            fn.predict_parts(predict, own_lake.folder, out, **wrong)
    (out / "_foldnet.json").write_text(json.dumps({**record(out), "format": 2}))
    with pytest.raises(FileFormatError, match=r"has format 2, not 1\. .*--force"):
        fn.predict_parts(predict, own_lake.folder, out, **CHOICE)


@pytest.mark.parametrize("wrong", [5, b"1-11"])
def test_columns_of_another_type(lake, predict, tmp_path, wrong):
    for choice in (
        {"columns": wrong},
        {"columns": "1-11", "keep": wrong},
        {"columns": "1-11", "drop": wrong},
    ):
        with pytest.raises(InputError, match=f"columns are {wrong!r}; give names"):
            fn.predict_parts(predict, lake.folder, tmp_path / "out", **choice)


def test_a_folder_with_other_files_is_left_alone(lake, predict, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        fn.predict_parts(predict, lake.folder, tmp_path, **CHOICE)
    fn.predict_parts(predict, lake.folder, tmp_path, overwrite=True, **CHOICE)
    lake.assert_equal(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="is a file"):
        fn.predict_parts(predict, lake.folder, tmp_path / "notes.txt", **CHOICE)


def test_results_and_leftovers_are_no_data(own_lake, predict):
    """Results inside of the data, those of another model too, and what other programs leave."""
    folder = own_lake.folder
    for name in ("_temporary/x.parquet", ".x.parquet", "year=2023/_x.parquet"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / own_lake.parts[0], folder / name)
    for out in (folder / "out", folder / "second"):
        for _ in range(2):
            assert fn.predict_parts(predict, folder, out, **CHOICE).parts == 6
        own_lake.assert_equal(out)
    assert fn.predict_parts(predict, f"{folder}/**/part-*.parquet", folder / "third", **CHOICE).parts == 6
    for data, out in [(folder, folder), (f"{folder}/year=2023/*.parquet", folder / "year=2023")]:
        with pytest.raises(InputError, match="folder of the results"):
            fn.predict_parts(predict, data, out, overwrite=True, **CHOICE)
    (folder.parent / "links").mkdir()
    (folder.parent / "links" / "year=2023").symlink_to(folder / "year=2023")
    with pytest.raises(InputError, match="written over"):
        fn.predict_parts(predict, folder, folder.parent / "links", overwrite=True, **CHOICE)
    own_lake.assert_equal(folder / "out")


def test_other_files_are_left_out_aloud_and_links_are_followed(own_lake, predict, tmp_path):
    moved = tmp_path / "elsewhere"
    (own_lake.folder / "year=2024").rename(moved)
    (own_lake.folder / "year=2024").symlink_to(moved)
    (own_lake.folder / "rows.csv").write_text("1\n")
    with pytest.warns(UserWarning, match=r"1 file .*rows\.csv"):
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", **CHOICE)
    own_lake.assert_equal(tmp_path / "out")
    (moved / "loop").symlink_to(own_lake.folder)
    with pytest.raises(InputError, match="remove the link"):
        fn.predict_parts(predict, own_lake.folder, tmp_path / "out", **CHOICE)


def test_a_position_means_the_same_column_in_every_part(own_lake, predict, tmp_path):
    path = own_lake.folder / own_lake.parts[3]
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    fn.predict_parts(predict, own_lake.folder, tmp_path / "out", **CHOICE)
    own_lake.assert_equal(tmp_path / "out")


def test_kept_columns_come_as_they_are(own_lake, predict, tmp_path):
    path = own_lake.folder / own_lake.parts[0]
    table = pq.read_table(path)
    texts = pa.array([None if k % 7 == 0 else f"wine {k % 3}" for k in range(table.num_rows)])
    more = {
        "text": texts,
        "kind": texts.dictionary_encode(),
        "list": pa.array([[k, None] for k in range(table.num_rows)]),
    }
    for name, column in more.items():
        table = table.append_column(name, column)
    pq.write_table(table, path)
    fn.predict_parts(predict, own_lake.folder, tmp_path / "all", columns="1-11", keep="all")
    made = pq.read_table(tmp_path / "all" / own_lake.parts[0])
    assert made.column_names == [*table.column_names, "prediction"]
    assert made.drop_columns("prediction").equals(table)
    own_lake.assert_equal(tmp_path / "all")
    for name in own_lake.parts[1:]:
        (own_lake.folder / name).unlink()
    with pytest.raises(InputError, match="'prediction' cannot be kept"):
        fn.predict_parts(predict, tmp_path / "all", tmp_path / "again", columns="1-11", keep="all")


def test_a_part_without_rows_has_its_columns(own_lake, predict, tmp_path):
    path = own_lake.folder / own_lake.parts[2]
    table = pq.read_table(path)
    kept = table.append_column("kind", pa.array(["a"] * table.num_rows).dictionary_encode())
    pq.write_table(kept.slice(0, 0), path)
    fn.predict_parts(predict, path, tmp_path / "out", columns="1-11", keep="id,kind")
    made = pq.read_table(tmp_path / "out" / path.name)
    assert (made.column_names, made.num_rows) == (["id", "kind", "prediction"], 0)
    assert made.schema.field("prediction").type == pa.float32()


def test_several_inputs_results_and_texts(tmp_path):
    a, b = layers.Input((2,), name="a"), layers.Input((1,), name="b", dtype="string")
    codes = layers.StringLookup(vocabulary=["red", "white"], output_mode="one_hot")(b)
    joined = layers.Concatenate()([a, codes])
    predict = fn.freeze(fn.Model([a, b], [layers.Dense(2)(joined), layers.Dense(1)(joined)]))
    rng = np.random.default_rng(0)
    x, texts = rng.normal(size=(50, 2)), rng.choice(["red", "white", "blue"], 50)
    (tmp_path / "in").mkdir()
    table = pa.table({"x": x[:, 0], "colour": texts, "y": x[:, 1].astype(np.float32), "old": np.arange(50)})
    pq.write_table(table, tmp_path / "in" / "p.pq")
    columns = {"a": ["x", "y"], "b": "2"}
    fn.predict_parts(predict, tmp_path / "in", tmp_path / "out", columns=columns, keep=["old"])
    made = pq.read_table(tmp_path / "out" / "p.pq")
    assert made.column_names == ["old", "prediction_1_1", "prediction_1_2", "prediction_2"]
    whole = np.concatenate(
        predict([np.column_stack([x[:, 0], x[:, 1].astype(np.float32)]), texts[:, None]]), axis=1
    )
    for name, column in zip(made.column_names[1:], whole.T, strict=True):
        assert made[name].to_numpy().tobytes() == column.tobytes()
    for wrong, text in [({"a": "1"}, "say which columns"), ({"c": "1"}, "no input 'c'"), (None, "2 inputs")]:
        with pytest.raises(InputError, match=text):
            fn.predict_parts(predict, tmp_path / "in", tmp_path / "other", columns=wrong)


def test_results_of_more_axes_are_refused(tmp_path):
    predict = fn.freeze(fn.Sequential([layers.Input((4,)), layers.Reshape((2, 2))]))
    pq.write_table(pa.table({str(k): [1.0] for k in range(4)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="one axis only"):
        fn.predict_parts(predict, tmp_path, tmp_path / "out")
