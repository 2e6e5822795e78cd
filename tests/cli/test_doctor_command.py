"""``foldnet doctor``: text, JSON, SARIF, mending, exit codes."""

import json
import warnings

import numpy as np
import pytest

import foldnet as fn
from foldnet import layers
from foldnet.insight.doctor import CHECKS
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine


@pytest.fixture
def question(data):
    return data / "models" / "wine_question.keras"


@pytest.fixture
def biased(tmp_path):
    x = layers.Input((11,))
    y = layers.BatchNormalization(name="norm")(layers.Dense(4, name="dense")(x))
    model = fn.Model(x, layers.Dense(1, name="out")(layers.ReLU()(y)), name="biased")
    generator = np.random.default_rng(0)
    for name in ("moving_mean", "moving_variance"):
        model.get_layer("norm").set_weight(name, generator.uniform(0.5, 1, 4))
    model.get_layer("dense").set_weight("bias", generator.normal(size=4))
    model.save(tmp_path / "biased.keras")
    return tmp_path / "biased.keras"


def test_errors_give_exit_code_1(foldnet, question):
    result = foldnet("doctor", question)
    assert result.exit_code == 1
    assert "error: softmax-one-unit at quality" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_warnings_do_not(foldnet, wine):
    assert "warning: dropout-before-normalization at norm_1" in foldnet.ok("doctor", wine)


def test_with_data_and_targets(foldnet, wine, data):
    document = foldnet.json("doctor", wine, "--data", data / "wine.csv", "--target", "quality")
    assert document["ok"]
    found = next(f for f in document["findings"] if f["check"] == "dropout-before-normalization")
    assert set(found) == {"check", "severity", "layer", "message", "evidence", "remedy", "fixable", "others"}
    assert found["evidence"]["rows"] == 1599
    assert 0.3 < found["evidence"]["loss"] < 1
    assert found["evidence"]["measured_variance_ratio"] > 1.2
    assert "target-out-of-reach" in document["checks"]
    assert set(document["skipped"]) == {"layer-never-added", "depends-on-other-rows", "overfit"}


def test_same_as_in_python(foldnet, wine):
    assert foldnet.json("doctor", wine) == {"file": str(wine), **fn.doctor(wine).to_dict()}


def test_chosen_checks(foldnet, question):
    document = foldnet.json("doctor", question, "--check", "useless-bias")
    assert document["checks"] == ["useless-bias"]
    assert "there is no check nonsense" in foldnet.refused("doctor", question, "--check", "nonsense")
    near = foldnet.refused("doctor", question, "--check", "overfitt")
    assert "there is no check overfitt; did you mean 'overfit'?" in " ".join(near.split())
    assert "dead-units" not in near


def test_several_files(foldnet, wine, question):
    documents = foldnet.json("doctor", wine, question, exit_code=1)
    assert [d["ok"] for d in documents] == [True, False]
    foldnet.refused("doctor", wine, question, "--fix", "out.keras")


def test_script(foldnet, wine, tmp_path):
    (tmp_path / "train.py").write_text(
        "from keras.layers import *\nBatchNormalization()\nraise SystemExit(3)\n"
    )
    text = foldnet.ok("doctor", wine, "--script", tmp_path / "train.py", "--check", "layer-never-added")
    assert "train.py, line 2" in " ".join(text.split())
    (tmp_path / "train.py").write_text("def (")
    assert "not Python" in foldnet.refused("doctor", wine, "--script", tmp_path / "train.py")


def test_fix(foldnet, biased, tmp_path):
    out = tmp_path / "mended.keras"
    text = foldnet.ok("doctor", biased, "--fix", out)
    assert "mended: dense: bias moved into the moving mean of norm" in text
    x = np.random.default_rng(1).normal(size=(20, 11)).astype(np.float32)
    np.testing.assert_allclose(
        fn.load_model(out).predict(x), fn.load_model(biased).predict(x), rtol=1e-5, atol=1e-6
    )
    assert fn.doctor(out).of("useless-bias") == ()
    other = tmp_path / "none.keras"
    assert "was not written" in foldnet.ok("doctor", out, "--fix", other)
    assert not other.exists()


def test_a_file_with_nan_is_examined(foldnet, biased, tmp_path):
    """Prediction refuses such a file; the doctor says where the NaN is, and what else is wrong."""
    import io
    import zipfile

    import h5py

    with zipfile.ZipFile(biased) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    image = io.BytesIO(members["model.weights.h5"])
    with h5py.File(image, "r+") as file:
        file["layers/batch_normalization/vars/3"][1] = np.nan
    members["model.weights.h5"] = image.getvalue()
    sick = tmp_path / "sick.keras"
    with zipfile.ZipFile(sick, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert "NaN" in foldnet.refused("summary", sick)
    document = foldnet.json("doctor", sick, exit_code=1)
    found = document["findings"][0]
    assert (found["check"], found["layer"], found["evidence"]["bad"]) == ("not-finite", "norm", 1)
    rows = np.ones((40, 11), np.float32)
    report = fn.doctor(sick, rows)
    assert not report.ok
    assert "cannot be computed" in report.skipped["input-scale"]


def test_steps_come_from_the_file(tmp_path):
    from foldnet.utils import set_random_seed

    set_random_seed(0)
    model = fn.Sequential([layers.Input((3,)), layers.BatchNormalization(name="bn"), layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(2, 3, size=(64, 3)).astype(np.float32)
    model.fit(x, x[:, :1], epochs=10, batch_size=32, verbose=0)
    for name in ("a.keras", "a.h5"):
        model.save(tmp_path / name)
        (found,) = fn.doctor(tmp_path / name, checks=["statistics-not-converged"]).findings
        assert found.evidence["steps"] == 20
        assert found.evidence["initial_share"] == pytest.approx(0.99**20)


def test_sarif(foldnet, question, wine, tmp_path):
    out = tmp_path / "out.sarif"
    assert foldnet("doctor", question, wine, "--sarif", out).exit_code == 1
    document = json.loads(out.read_text())
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [c.id for c in CHECKS]
    expected = sum(len(fn.doctor(f).findings) for f in (question, wine))
    assert len(run["results"]) == expected
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] in (str(question), str(wine))
    first = run["results"][0]
    assert first["ruleId"] == "softmax-one-unit"
    assert first["locations"][0]["logicalLocations"][0]["name"] == "quality"


def test_refusals(foldnet, wine, tmp_path):
    frozen = tmp_path / "wine.foldnet"
    fn.freeze(fn.load_model(wine)).save(frozen)
    assert "frozen predictor" in foldnet.refused("doctor", frozen)
    assert foldnet("doctor").exit_code == 2
    assert foldnet("doctor", wine, "--target", "quality").exit_code == 2


def test_every_check_has_its_page(data):
    pages = {p.stem for p in (data.parent / "docs" / "doctor").glob("*.md")} - {"index", "evidence"}
    assert pages == {c.id for c in CHECKS}
    index = (data.parent / "docs" / "doctor" / "index.md").read_text()
    for check in CHECKS:
        text = (data.parent / "docs" / "doctor" / f"{check.id}.md").read_text()
        assert text.startswith(f"# {check.id}\n")
        assert all(f"**{part}.**" in text for part in ("The story", "The numbers", "The cure"))
        assert f"({check.id}.md)" in index


def test_hooks_file(data):
    text = (data.parent / ".pre-commit-hooks.yaml").read_text()
    assert "entry: foldnet doctor" in text
    assert "language: python" in text


def test_a_network_that_cannot_be_computed_is_examined_by_its_structure():
    model = fn.Sequential([layers.Input((3,)), layers.Dense(1, activation="softmax", dtype="mixed_float16")])
    report = examine(Context(model, np.zeros((40, 3))))
    assert report.findings[0].check == "softmax-one-unit"
    assert "dtype" in report.skipped["input-scale"]


def test_drop_and_target_together(foldnet, wine, data, tmp_path):
    """Columns left out by either option are left out of the rows, in any order and by name or place."""
    lines = (data / "wine.csv").read_text().splitlines()[:60]
    sign = ";" if ";" in lines[0] else ","
    table = tmp_path / "more.csv"
    table.write_text("\n".join(f"{'id' if i == 0 else i}{sign}{line}" for i, line in enumerate(lines)) + "\n")
    plain = tmp_path / "plain.csv"
    plain.write_text("\n".join(lines) + "\n")
    expected = foldnet.json("doctor", wine, "--data", plain, "--target", "quality")["findings"]
    for drop in (
        ["--drop", "id"],
        ["--drop", "1"],
        ["--drop", "quality,id"],
        ["--columns", "2-13"],
        ["--columns", "2-12"],
    ):
        got = foldnet.json("doctor", wine, "--data", table, "--target", "quality", *drop)
        assert got["findings"] == expected
    # Without --drop the rows have a column too many, and that is said.
    assert "the input" in foldnet.refused("doctor", wine, "--data", table, "--target", "quality")


def test_images_and_their_targets(foldnet, tmp_path):
    """Rows of higher rank have no columns, so targets come from a file of their own."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 5, 5, 2)).astype(np.float32), generator.integers(0, 3, 40)
    model = fn.Sequential(
        [layers.Input((5, 5, 2)), layers.Conv2D(3, 3), layers.BatchNormalization(momentum=0.5)]
    )
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=3, verbose=0)
    names = [tmp_path / name for name in ("x.npy", "y.npy", "few.npy", "net.keras", "new.keras")]
    images, labels, few, net, new = names
    for path, array in ((images, x), (labels, y), (few, y[:9])):
        np.save(path, array)
    model.save(net)
    found = foldnet.json("doctor", net, "--data", images, "--target", labels)
    assert "target-out-of-reach" not in found["skipped"]
    assert "target-out-of-reach" in foldnet.json("doctor", net, "--data", images)["skipped"]
    assert "few.npy has 9 rows, and the data 40" in foldnet.refused(
        "doctor", net, "--data", images, "--target", few
    )

    given = ("recalibrate", net, "--data", images, "--validation", images)
    made = foldnet.json(*given, "--target", labels, "--metric", "accuracy", "-o", new, "--keep-always")
    loaded = fn.load_model(new)
    (_, accuracy) = loaded.evaluate(x, y, verbose=0)
    assert made["validation"]["after"] == pytest.approx(accuracy)
    assert "few.npy has not as many rows" in foldnet.refused(*given, "--target", few)
    assert "which this command reads" in foldnet.refused(*given, "--target", labels, "-o", labels, "--force")


@pytest.fixture
def seen(monkeypatch):
    """The contexts that the command has the doctor examine."""
    found = []
    monkeypatch.setattr(
        "foldnet.insight.doctor.run.examine", lambda c, checks=None: found.append(c) or examine(c, checks)
    )
    return found


def test_columns_of_validation_are_matched_by_name(foldnet, wine, data, tmp_path, seen):
    """In any order, wherever the target stands; refused where only one table has names, or others."""
    head, *lines = (
        line.split(";") for line in (data / "wine.csv").read_text().replace(",", ";").splitlines()[:41]
    )
    turned, bare, other = tmp_path / "turned.csv", tmp_path / "bare.csv", tmp_path / "other.csv"
    turned.write_text("\n".join(";".join(line[::-1]) for line in (head, *lines)))
    bare.write_text("\n".join(map(";".join, lines)))
    other.write_text("\n".join(map(";".join, (["new", *head[1:]], *lines))))
    given = ("doctor", wine, "--data", data / "wine.csv", "--check", "useless-bias")
    for columns in (("--target", "quality"), ("--target", len(head), "--columns", "1-11")):
        foldnet.ok(*given, *columns, "--validation", turned)
        context = seen.pop()
        np.testing.assert_array_equal(context.validation_data[0], context.x[:40])
        np.testing.assert_array_equal(context.validation_data[1], context.y[:40])
    target = ("--target", "quality", "--validation-target", "12")
    assert "of the first they have no names" in foldnet.refused(*given, *target, "--validation", bare)
    assert "there is no column" in foldnet.refused(*given, "--target", "quality", "--validation", other)


def test_history_and_validation(foldnet, wine, data, tmp_path, seen):
    """They reach the checks as in Python; the validation rows are read as the data are."""
    lines = (data / "wine.csv").read_text().splitlines()[:41]
    table, log, labels = tmp_path / "valid.csv", tmp_path / "log.csv", tmp_path / "labels.npy"
    table.write_text("\n".join(lines))
    log.write_text("epoch;loss;val_loss\n0;0.5;0.75\n")
    given = ("doctor", wine, "--data", data / "wine.csv", "--check", "useless-bias")
    foldnet.ok(*given, "--target", "quality", "--validation", table, "--history", log)
    (context,) = seen
    assert context.history == {"loss": [0.5], "val_loss": [0.75]}
    x, y = context.validation_data
    assert x.shape == (40, 11)
    np.testing.assert_array_equal(y, context.y[:40])
    np.save(labels, np.arange(40))
    columns = ("--columns", "1-11", "--validation", table, "--validation-target", labels)
    foldnet.ok(*given, *columns)
    np.testing.assert_array_equal(np.ravel(seen[1].validation_data[1]), np.arange(40))
    for wrong in (
        ("doctor", wine, "--validation", table),
        ("doctor", wine, "--validation-target", labels),
        ("doctor", wine, wine, "--history", log),
        (*given, "--validation", table),
        (*given, "--validation", table, "--target", labels),
    ):
        assert foldnet(*wrong).exit_code == 2
    assert "names no column loss" in foldnet.refused("doctor", wine, "--history", table)
    assert "which this command reads" in foldnet.refused(
        "doctor", wine, "--history", log, "--sarif", log, "--force"
    )


def test_sample_weights(foldnet, wine, data, tmp_path, seen):
    """A column of the rows by name or place, or a file; in validation rows that of the same name, if there is one."""
    head, *lines = (
        line.split(";") for line in (data / "wine.csv").read_text().replace(",", ";").splitlines()[:61]
    )
    weights = [str(i % 3) for i in range(60)]
    table, plain, turned, file = (tmp_path / n for n in ("train.csv", "plain.csv", "turned.csv", "w.npy"))
    weighted = [["weight", *head], *([w, *line] for w, line in zip(weights, lines, strict=True))]
    for path, content in (
        (table, weighted), (plain, [head, *lines]), (turned, [line[::-1] for line in weighted]),
    ):  # fmt: skip
        path.write_text("\n".join(map(";".join, content)) + "\n")
    np.save(file, np.array(weights, float))
    given = ("doctor", wine, "--check", "useless-bias", "--target", "quality", "--data")
    for rows, column in ((table, "weight"), (table, "1"), (turned, "weight"), (plain, file)):
        foldnet.ok(*given, rows, "--sample-weight", column)
        np.testing.assert_array_equal(seen[-1].weights.values, np.array(weights, float))
        assert seen[-1].x.shape == (60, 11)
    for valid, expected in ((plain, 2), (turned, 3), (table, 3)):
        for column in ("weight", "1"):
            foldnet.ok(*given, table, "--sample-weight", column, "--validation", valid)
            parts = seen[-1].validation_data
            assert len(parts) == expected
            np.testing.assert_array_equal(parts[0], seen[-1].x)
            np.testing.assert_array_equal(
                np.ravel(parts[-1]), np.ravel(seen[-1].y) if expected == 2 else np.array(weights, float)
            )
    foldnet.ok(*given, plain, "--sample-weight", file, "--validation", plain)
    assert foldnet("doctor", wine, "--sample-weight", "weight").exit_code == 2
    assert "there is no column 'wait'" in foldnet.refused(*given, table, "--sample-weight", "wait")
    np.save(file, -np.ones(60))
    assert "0 or more" in foldnet.refused(*given, plain, "--sample-weight", file)


def test_errors_about_targets_say_what_to_do(foldnet, tmp_path):
    model = fn.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    names = [tmp_path / n for n in ("a.keras", "rows.csv", "text.csv", "x.npy", "y.npy")]
    net, table, text, x, y = names
    model.save(net)
    table.write_text("a,b,y\n" + "1,2,3\n4,5,6\n" * 20)
    text.write_text("a,b,y\n" + "1,2,red\n4,5,6\n" * 20)
    np.save(x, np.ones((40, 2)))
    np.save(y, np.array(["red"] * 40))

    def refused(*given):
        return " ".join(foldnet.refused("doctor", net, "--data", *given).split())

    assert "--target names the column of the targets" in refused(table)
    assert "line 2, column 3 (y): 'red' is not a number. Targets are numbers: write each text" in refused(
        text, "--target", "y"
    )
    assert "Targets are numbers: write each text" in refused(x, "--target", y)
    assert "Weights are numbers" in refused(table, "--target", "y", "--sample-weight", y)
    assert "2 columns without names, which are chosen by position" in refused(x, "--target", "y")
    assert "there is no column 'z'; the table has 3 columns: a, b, y" in refused(table, "--target", "z")


def test_a_warning_comes_once(foldnet, tmp_path, monkeypatch):
    """Also where the table is opened for its names, rows and targets, and filters of warnings change between."""

    def forgetting(message):
        warnings.simplefilter("always", UserWarning)
        warnings.warn(message, UserWarning, stacklevel=2)

    monkeypatch.setattr("foldnet.tables.csv_table.warn", forgetting)
    model = fn.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    net, table, valid = (tmp_path / n for n in ("a.keras", "rows.csv", "valid.csv"))
    model.save(net)
    for path in (table, valid):
        path.write_text("0,1,2\n" + "1,2,3\n4,5,6\n" * 20)
    result = foldnet("doctor", net, "--data", table, "--target", "2", "--validation", valid)
    assert result.stderr.count("rows.csv: the first line counts") == 1
    assert result.stderr.count("valid.csv: the first line counts") == 1
