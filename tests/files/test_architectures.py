"""An architecture as JSON and the weights beside it, of every Keras; and what is said of half of that."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, FoldnetError, SettingTypeError
from foldnet.models import model_from_json
from tests.files.keras_models import L, assert_same, keras, outputs, randomize, rows
from tests.files.test_releases import FOLDER, assert_recorded
from tests.support.arrays import arrays_of

PAIRS = sorted(
    (path.name, weights.name)
    for path in FOLDER.glob("*.json")
    for weights in FOLDER.glob(f"{path.stem}.*weights.h5")
)


@pytest.mark.parametrize(("architecture", "weights"), PAIRS)
def test_both_together(architecture, weights):
    network = foldnet.load_model(architecture=FOLDER / architecture, weights=FOLDER / weights)
    assert_recorded(network, architecture.removesuffix(".json"))
    stored = json.loads((FOLDER / architecture).read_text())
    assert network.keras_version == stored.get("keras_version")
    same = foldnet.load_model(FOLDER / architecture, weights=FOLDER / weights)
    for ours, theirs in zip(same.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_every_generation_is_here():
    assert {name.split("-convolved")[0] for name, _ in PAIRS} >= {
        "keras-1.2.2", "keras-2.2.4-tensor", "tf-2.4", "tf_keras-2.21", "keras-3.15.1",
    }  # fmt: skip
    stored = {name: json.loads((FOLDER / name).read_text())["config"] for name, _ in PAIRS}
    assert {type(config) for config in stored.values()} == {dict, list}
    assert isinstance(stored["keras-1.2.2-convolved_row.json"], list)


def test_names_with_slashes_stay_as_they_are():
    stem = "tf_keras-2.21-convolved_row"
    network = foldnet.load_model(architecture=FOLDER / f"{stem}.json", weights=FOLDER / f"{stem}.weights.h5")
    assert [layer.name for layer in network.layers] == ["block/conv", "block/norm", "flat", "out"]


@pytest.fixture
def model():
    image = L.Input((6, 5, 2), name="image")
    x = L.BatchNormalization(name="norm")(L.Conv2D(3, 3, name="conv")(image))
    return randomize(keras.Model(image, L.Dense(2, name="out")(L.Flatten(name="flat")(x)), name="branches"))


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_a_functional_network_of_keras_3(tmp_path, model, ending):
    (tmp_path / "model.json").write_text(model.to_json())
    (model.save_weights if ending == ".weights.h5" else model.save)(tmp_path / f"w{ending}")
    network = foldnet.load_model(architecture=tmp_path / "model.json", weights=tmp_path / f"w{ending}")
    assert_same(network, model, rows(3, 6, 5, 2))


def test_an_architecture_of_keras_2_named_model(tmp_path, model):
    """Keras up to 2.3 called the class Model, and its calls are lists."""
    stem = "tf_keras-2.21-joined"
    with h5py.File(FOLDER / f"{stem}.h5") as file:
        stored = json.loads(file.attrs["model_config"])
    stored["class_name"] = "Model"
    (tmp_path / "a.json").write_text(
        json.dumps({**stored, "keras_version": "2.2.4-tf", "backend": "tensorflow"})
    )
    network = foldnet.load_model(architecture=tmp_path / "a.json", weights=FOLDER / f"{stem}.old-weights.h5")
    assert_recorded(network, stem)


@pytest.mark.parametrize("written", ["text in JSON", "byte order mark", "spaces first"])
def test_ways_to_write_a_json_file(tmp_path, written):
    stem = "tf-2.4-convolved_row"
    text = (FOLDER / f"{stem}.json").read_text()
    path = tmp_path / "model.json"
    if written == "text in JSON":
        path.write_text(json.dumps(text))  # json.dump(model.to_json(), file)
    else:
        path.write_bytes((b"\xef\xbb\xbf" if written == "byte order mark" else b"\n  ") + text.encode())
    assert_recorded(foldnet.load_model(path, weights=FOLDER / f"{stem}.old-weights.h5"), stem)


def test_model_from_json_reads_every_keras():
    for path in FOLDER.glob("*.json"):
        network = model_from_json(path.read_text())
        assert [type(layer).__name__ for layer in network.layers] == [
            "Conv1D",
            "BatchNormalization",
            "Flatten",
            "Dense",
        ]
        old = not path.name.startswith("keras-3")
        name = foldnet.activations.known(network.layers[0].activation)[0]
        assert name == ("hard_sigmoid_keras2" if old else "hard_sigmoid")


def test_a_network_whose_shape_the_architecture_lacks_is_named(tmp_path):
    layers = [{"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "linear"}}]
    text = json.dumps({"class_name": "Sequential", "config": layers, "keras_version": "2.2.2"})
    (tmp_path / "a.json").write_text(text)
    weights = FOLDER / "tf-2.4-convolved_row.old-weights.h5"
    with pytest.raises(FileFormatError, match=r"a\.json: .*input shape is unknown"):
        foldnet.load_model(architecture=tmp_path / "a.json", weights=weights)
    assert not model_from_json(text).built


@pytest.mark.parametrize("kind", ["Conv1D", "Conv2D", "DepthwiseConv2D"])
def test_a_list_of_paddings_is_refused_by_name(kind):
    """Keras 3.15 takes one in the constructor and stores it, but cannot call such a layer."""
    arguments = {"filters": 2} if kind != "DepthwiseConv2D" else {}
    layer = getattr(L, kind)(kernel_size=3, padding=[[1, 2]] * int(kind[-2]), name="conv", **arguments)
    with pytest.raises(ValueError, match=r"`padding` must be either"):
        layer(rows(1, *(6,) * int(kind[-2]), 2))
    records = [keras.saving.serialize_keras_object(layer)]
    text = json.dumps(
        {"class_name": "Sequential", "registered_name": None, "config": {"name": "m", "layers": records}}
    )
    with pytest.raises(ConfigError, match=rf"'conv' \({kind}\): padding must be 'valid'.*not \[\[1, 2\]"):
        model_from_json(text)


# -- half of it ---------------------------------------------------------------------------------------------------


def test_an_architecture_given_as_a_network_says_what_it_is():
    path = FOLDER / "tf-2.4-convolved_row.json"
    for use in (foldnet.load_model, foldnet.freeze, foldnet.explain):
        with pytest.raises(
            FileFormatError, match=r"is the architecture.*holds no weights.*architecture=.*weights="
        ):
            use(path)
    network = model_from_json(path.read_text())
    with pytest.raises(FileFormatError, match="holds no weights"):
        network.load_weights(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"weight_map": {}, "metadata": {}}', "load_weights"),
        ('{"a": 1}', r"JSON, but not the architecture.*it has a"),
        ('{"class_name": "Sequential", ', "not valid JSON"),
        ('"hello"', "should be|not valid JSON"),
    ],
)
def test_other_json_says_what_it_is(tmp_path, text, match):
    (tmp_path / "x").write_text(text)
    with pytest.raises(FileFormatError, match=match):
        foldnet.load_model(tmp_path / "x")


@pytest.mark.parametrize(
    "name", ["tf-2.4-convolved_row.old-weights.h5", "tf_keras-2.21-convolved_row.weights.h5"]
)
def test_weights_given_as_a_network_say_how_to_open_them(name):
    with pytest.raises(FileFormatError, match=r"holds weights only.*architecture=.*weights=.*load_weights"):
        foldnet.load_model(FOLDER / name)


def test_what_load_model_takes():
    one, two = FOLDER / "tf-2.4-convolved_row.json", FOLDER / "tf-2.4-convolved_row.old-weights.h5"
    given = [
        {},
        {"architecture": one},
        {"weights": two},
        {"filepath": one, "architecture": one, "weights": two},
    ]
    given.append({"filepath": one, "architecture": one})
    for arguments in given:
        with pytest.raises(ConfigError, match="path of one file, or architecture="):
            foldnet.load_model(**arguments)


def test_a_whole_network_given_as_an_architecture():
    weights = FOLDER / "tf-2.4-convolved_row.old-weights.h5"
    for name, kind in (("keras-2.2.4-table.h5", "HDF5"), (f"{STEM}.keras", "archive")):
        with pytest.raises(
            FileFormatError, match=rf"not the JSON of an architecture but an? .*{kind}.*without weights="
        ):
            foldnet.load_model(architecture=FOLDER / name, weights=weights)


def test_weights_of_another_network_name_both_files(tmp_path, model):
    (tmp_path / "model.json").write_text(model.to_json())
    weights = FOLDER / "tf-2.4-convolved_row.old-weights.h5"
    with pytest.raises(FileFormatError, match=r"old-weights\.h5: .*shape"):
        foldnet.load_model(architecture=tmp_path / "model.json", weights=weights)


DEEP = '{"class_name": "Sequential", "config": ' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        '{"class_name": "Sequential", "config": {"a": ' * 300 + "1" + "}}" * 300,
        '{"class_name": "Sequential", "config": 1' + "0" * 100_000 + "}",
        '{"class_name": "Sequential", "config": 1e999}',
        '{"class_name": "Sequential", "config": NaN}',
        '{"class_name": "Sequential", "config": null}',
        '{"class_name": null, "config": {}}',
        '{"class_name": {}, "config": []}',
        '{"class_name": "Model", "config": {"name": "m", "layers": 3}}',
        '{"class_name": "Functional", "config": {"name": "m", "layers": [], "input_layers": {}, "output_layers": 1}}',
        '{"class_name": "Sequential", "config": [1, "a", null]}',
        '{"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"name": "d", "units": 1e300}}]}',
        '{"class_name": "Sequential", "config": [{"class_name": "Conv2D", "config": {"name": "d", "filters": [[]]}}]}',
        '{"class_name": "Sequential", "config": [], "keras_version": {"1": 2}}',
        '{"class_name": "Dense", "config": {"name": "d", "units": 2}}',
        '{"class_name": "Sequential", "class_name": "Model", "config": []}',
        '"' + "\\u0022" * 50 + '"',
        '"\\ud800"',
        '{"class_name": "\\ud800", "config": {}}',
        "{" + "\0" * 10,
        "[1]",
        "",
    ],
)  # fmt: skip
def test_bad_json_is_an_error_of_foldnets(tmp_path, text):
    with pytest.raises(FoldnetError):
        model_from_json(text).predict(np.zeros((1, 3)))
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(FoldnetError):
        foldnet.load_model(path, weights=FOLDER / "tf-2.4-convolved_row.old-weights.h5")
    with pytest.raises(FoldnetError):
        foldnet.load_model(path)


def test_what_is_no_text():
    with pytest.raises(SettingTypeError, match="takes the text"):
        model_from_json({"class_name": "Sequential"})
    with pytest.raises(FileFormatError, match="UTF-8"):
        model_from_json(b'{"class_name": "\xff"}')


# -- other names and other packing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "model.bin", "model.weights.h5", "model.keras"])
def test_hdf5_is_known_by_its_content(tmp_path, name):
    stem = "keras-2.2.4-table"
    path = tmp_path / name
    path.write_bytes((FOLDER / f"{stem}.h5").read_bytes())
    network = foldnet.load_model(path)
    assert_recorded(network, stem)
    for layer in network.layers:
        layer.set_weights([np.full_like(w, 0.5) for w in layer.get_weights()])
    network.load_weights(path, by_name=True)
    assert_recorded(network, stem)
    with pytest.raises(ConfigError, match=r"objects_to_skip only supports \.weights\.h5"):
        network.load_weights(path, objects_to_skip=[network.layers[0]])


STEM = "keras-3.8.0-table"


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("name", "stem"),
    [("net.keras", STEM), ("models/net.h5", "keras-2.2.4-table"), ("net.hdf5", "keras-2.2.4-table")],
)
def test_the_only_model_in_a_zip_is_opened(tmp_path, name, stem):
    data = next(p for p in FOLDER.glob(f"{stem}.*") if p.suffix in (".h5", ".keras")).read_bytes()
    macos = {"__MACOSX/._net.keras": b"resource fork"}
    path = zipped(tmp_path / "net.zip", {"readme.txt": b"hello", name: data, **macos})
    network = foldnet.load_model(path)
    assert_recorded(network, stem)
    for layer in network.layers:
        layer.set_weights([np.full_like(w, 0.5) for w in layer.get_weights()])
    network.load_weights(path)
    assert_recorded(network, stem)


def test_several_models_in_a_zip_are_named(tmp_path):
    data = (FOLDER / f"{STEM}.keras").read_bytes()
    path = zipped(tmp_path / "nets.zip", {"a.keras": data, "b.keras": data})
    with pytest.raises(
        FileFormatError, match=r"several models, \['a.keras', 'b.keras'\].*extract\('a.keras'\)"
    ):
        foldnet.load_model(path)


def test_other_zips_say_what_they_hold(tmp_path):
    with pytest.raises(FileFormatError, match=r"it is a zip.*it holds \['x.txt'\]"):
        foldnet.load_model(zipped(tmp_path / "a.zip", {"x.txt": b"x"}))
    with pytest.raises(FileFormatError, match=r"unzipped \.keras model 'net'"):
        foldnet.load_model(zipped(tmp_path / "b.zip", {"net/config.json": b"{}", "net/metadata.json": b"{}"}))
    inner = zipped(tmp_path / "inner.keras", {"net.keras": (FOLDER / f"{STEM}.keras").read_bytes()})
    with pytest.raises(FileFormatError, match=r"'inner.keras' in it: .*no 'metadata.json'"):
        foldnet.load_model(zipped(tmp_path / "c.zip", {"inner.keras": inner.read_bytes()}))
    with pytest.raises(FileFormatError, match=r"'net.keras' in it: "):
        foldnet.load_model(zipped(tmp_path / "d.zip", {"net.keras": b"PK\x03\x04 and nothing else"}))


def test_freezing_from_a_zip(tmp_path):
    path = zipped(tmp_path / "net.zip", {"net.keras": (FOLDER / f"{STEM}.keras").read_bytes()})
    recorded = arrays_of(FOLDER / f"{STEM}.npz")
    np.testing.assert_allclose(foldnet.freeze(path)(recorded["x0"]), recorded["y0"], rtol=1e-5, atol=1e-6)


def test_outputs_of_the_reference_engine_are_the_recorded_ones():
    """The helper of these tests computes, too: another input gives another output."""
    network = foldnet.load_model(FOLDER / f"{STEM}.keras")
    recorded = arrays_of(Path(FOLDER) / f"{STEM}.npz")
    assert not np.allclose(outputs(network, recorded["x0"] + 1)[0], recorded["y0"])
