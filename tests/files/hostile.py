"""Files that lie, each made from a good one by one change; ``MAKERS`` has a function for each.

Every function gets a folder with a fresh good ``m.keras`` and ``m.h5`` and returns the path of what it made of them.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib

import h5py
import numpy as np

MAKERS = {}


def hostile(match):
    """Register a maker, and what the error must say."""

    def register(make):
        MAKERS[make.__name__] = (make, match)
        return make

    return register


# -- the archive ------------------------------------------------------------------------------------------------


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def with_config(folder, change):
    members = members_of(folder / "m.keras")
    config = json.loads(members["config.json"])
    changed = change(config)
    members["config.json"] = changed if isinstance(changed, bytes) else json.dumps(config).encode()
    return write(folder / "bad.keras", members)


def with_weights(folder, change):
    members = members_of(folder / "m.keras")
    memory = io.BytesIO(members["model.weights.h5"])
    with h5py.File(memory, "r+") as file:
        change(file)
    members["model.weights.h5"] = memory.getvalue()
    return write(folder / "bad.keras", members)


@hostile("two members")
def duplicated_member(folder):
    import warnings

    path = folder / "m.keras"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("config.json", "{}")
    return path


@hostile("encrypted")
def encrypted_member(folder):
    data = bytearray((folder / "m.keras").read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    (folder / "m.keras").write_bytes(data)
    return folder / "m.keras"


@hostile("leads out")
def path_upwards(folder):
    return write(folder / "bad.keras", {**members_of(folder / "m.keras"), "../../evil": b"x"})


@hostile("leads out")
def absolute_path(folder):
    return write(folder / "bad.keras", {**members_of(folder / "m.keras"), "/etc/evil": b"x"})


@hostile("at most|unpack")
def zip_bomb_in_the_weights(folder):
    members = members_of(folder / "m.keras")
    with zipfile.ZipFile(folder / "bad.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", members["metadata.json"])
        archive.writestr("config.json", members["config.json"])
        with archive.open("model.weights.h5", "w") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
    return folder / "bad.keras"


@hostile("at most")
def zip_bomb_in_the_configuration(folder):
    members = members_of(folder / "m.keras")
    members["config.json"] = b"[" + b" " * (40 << 20) + b"]"
    return write(folder / "bad.keras", members, zipfile.ZIP_DEFLATED)


@hostile("does not unpack to the size")
def understated_size(folder):
    """Eight kilobytes by the directory, a mebibyte once unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(1 << 20)) + packer.flush()
    name, crc, size = b"metadata.json", zlib.crc32(bytes(8192)), 8192
    local = (
        struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), size, len(name), 0) + name
    )
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(packed), size, len(name), 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry + name), len(local + packed), 0)
    (folder / "bad.keras").write_bytes(local + packed + entry + name + end)
    return folder / "bad.keras"


@hostile("checksum")
def flipped_bit_in_a_member(folder):
    data = bytearray((folder / "m.keras").read_bytes())
    data[data.index(b'"units"') + 3] ^= 1
    (folder / "m.keras").write_bytes(data)
    return folder / "m.keras"


@hostile("no 'config.json'")
def no_configuration(folder):
    members = members_of(folder / "m.keras")
    del members["config.json"]
    return write(folder / "bad.keras", members)


@hostile("no 'model.weights.h5'")
def weights_as_pickles(folder):
    members = members_of(folder / "m.keras")
    members["model.weights.npz"] = members.pop("model.weights.h5")
    return write(folder / "bad.keras", members)


@hostile("neither a .keras archive nor an HDF5")
def wrong_magic(folder):
    (folder / "bad.keras").write_bytes(b"\x80\x04\x95" + bytes(100))
    return folder / "bad.keras"


@hostile("empty")
def empty_file(folder):
    (folder / "bad.keras").write_bytes(b"")
    return folder / "bad.keras"


@hostile("directory without")
def directory(folder):
    (folder / "d.keras").mkdir()
    return folder / "d.keras"


@hostile("device or a pipe")
def endless_device(folder):
    (folder / "zero.keras").symlink_to("/dev/zero")
    return folder / "zero.keras"


# -- the configuration ------------------------------------------------------------------------------------------


@hostile("deeper")
def deep_json(folder):
    return with_config(folder, lambda c: b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


@hostile("deeper")
def fairly_deep_json(folder):
    return with_config(folder, lambda c: b'{"a":' * 400 + b"1" + b"}" * 400)


@hostile("at most")
def huge_json(folder):
    return with_config(folder, lambda c: b'{"a":"' + b"x" * (17 << 20) + b'"}')


@hostile("NaN")
def nan_in_json(folder):
    return with_config(folder, lambda c: json.dumps(c).replace('"units": 3', '"units": NaN').encode())


@hostile("out of range")
def number_beyond_floats(folder):
    return with_config(
        folder, lambda c: json.dumps(c).replace('"momentum": 0.99', '"momentum": 1e999').encode()
    )


@hostile("not valid JSON")
def number_of_many_digits(folder):
    return with_config(
        folder, lambda c: json.dumps(c).replace('"units": 3', '"units": ' + "9" * 5000).encode()
    )


@hostile("repeats a key")
def repeated_key(folder):
    return with_config(
        folder, lambda c: json.dumps(c).replace('"units": 3', '"units": 4, "units": 3').encode()
    )


@hostile("JSON")
def cut_json(folder):
    return with_config(folder, lambda c: json.dumps(c)[:-20].encode())


@hostile("should be an object|class")
def not_a_network(folder):
    return with_config(folder, lambda c: b'{"class_name": 3}')


def in_layer(name, change):
    def apply(config):
        change(next(r for r in config["config"]["layers"] if r["config"]["name"] == name))

    return apply


@hostile("'d'")
def text_for_a_number(folder):
    return with_config(folder, in_layer("d", lambda r: r["config"].update(units="many")))


@hostile("'bn'")
def text_for_epsilon(folder):
    return with_config(folder, in_layer("bn", lambda r: r["config"].update(epsilon="small")))


@hostile("'bn'")
def list_of_lists_for_an_axis(folder):
    return with_config(folder, in_layer("bn", lambda r: r["config"].update(axis=[[1], [2]])))


@hostile("asks for")
def enormous_layer(folder):
    return with_config(folder, in_layer("d", lambda r: r["config"].update(units=10**12)))


@hostile("Lambda.*never runs")
def lambda_layer(folder):
    return with_config(folder, in_layer("d", lambda r: r.update(class_name="Lambda")))


@hostile("os.*not one of Keras")
def class_of_another_module(folder):
    return with_config(folder, in_layer("d", lambda r: r.update(module="os", class_name="system")))


@hostile("mine>Dense|not one of Keras")
def registered_class(folder):
    return with_config(folder, in_layer("d", lambda r: r.update(registered_name="mine>Dense")))


@hostile("TorchModuleWrapper")
def pickled_module(folder):
    return with_config(folder, in_layer("d", lambda r: r.update(class_name="TorchModuleWrapper")))


@hostile("get_file")
def gadget_as_activation(folder):
    function = {
        "module": "keras.utils",
        "class_name": "function",
        "config": "get_file",
        "registered_name": "get_file",
    }
    return with_config(folder, in_layer("d", lambda r: r["config"].update(activation=function)))


def chain(config):
    """Networks within networks, deeper than any real one."""
    for _ in range(50):
        inner = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "s", "layers": [json.loads(json.dumps(config))]},
        }
        config.clear()
        config.update(inner)


@hostile("nest|deeper")
def nested_networks(folder):
    return with_config(folder, chain)


@hostile("waits for call")
def circular_calls(folder):
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["d", 0, 0]}}
    layers = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "name": "i",
            "config": {"name": "i", "batch_shape": [None, 3]},
            "inbound_nodes": [],
        },
        {
            "module": "keras.layers",
            "class_name": "Dense",
            "name": "d",
            "config": {"name": "d", "units": 3},
            "inbound_nodes": [{"args": [tensor], "kwargs": {}}],
        },
    ]
    config = {"name": "f", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]]}
    stored = {"module": "keras", "class_name": "Functional", "config": config}
    return with_config(folder, lambda c: json.dumps(stored).encode())


# -- the weights ------------------------------------------------------------------------------------------------

KERNEL = "layers/dense/vars/0"


def replaced(put):
    """Put something else in the kernel's place."""

    def change(file):
        shape = file[KERNEL].shape
        del file[KERNEL]
        put(file, shape)

    return change


@hostile("another file")
def external_storage(folder):
    secret = folder / "secret.bin"
    secret.write_bytes(bytes(1000))

    def put(file, shape):
        file.create_dataset(KERNEL, shape, "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])

    return with_weights(folder, replaced(put))


@hostile("another file")
def virtual_dataset(folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((5, 4), "f4")

    def put(file, shape):
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape)
        file.create_virtual_dataset(KERNEL, layout)

    return with_weights(folder, replaced(put))


@hostile("link to another file")
def external_link(folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((5, 4), "f4")

    def put(file, shape):
        file[KERNEL] = h5py.ExternalLink(str(folder / "other.h5"), "x")

    return with_weights(folder, replaced(put))


@hostile("link to another place")
def soft_link(folder):
    def put(file, shape):
        file["elsewhere"] = np.ones(shape, "f4")
        file[KERNEL] = h5py.SoftLink("/elsewhere")

    return with_weights(folder, replaced(put))


@hostile("link to another place")
def soft_link_on_the_way(folder):
    def change(file):
        file.move("layers/dense", "elsewhere")
        file["layers/dense"] = h5py.SoftLink("/elsewhere")

    return with_weights(folder, change)


@hostile("same object")
def hard_link_cycle(folder):
    def change(file):
        del file["layers/dense/vars"]
        file["layers/dense/vars"] = file["layers"]

    return with_weights(folder, change)


@hostile("same object")
def one_dataset_for_two_weights(folder):
    def change(file):
        del file["layers/batch_normalization/vars/1"]
        file["layers/batch_normalization/vars/1"] = file["layers/batch_normalization/vars/0"]

    return with_weights(folder, change)


@hostile("asks for")
def oversized_shape(folder):
    return with_weights(
        folder,
        replaced(lambda file, shape: file.create_dataset(KERNEL, (1 << 20, 1 << 20), "f4", chunks=(64, 64))),
    )


def four_tebibytes(folder):
    """The configuration asks for just what the file declares, and there is nothing in it."""

    def put(file, shape):
        file.create_dataset(KERNEL, (5, 1 << 38), "f4", chunks=(1, 1 << 16))

    with_weights(folder, replaced(put)).replace(folder / "m.keras")
    return with_config(folder, in_layer("d", lambda r: r["config"].update(units=1 << 38)))


hostile("holds 0")(four_tebibytes)


@hostile("declares")
def huge_chunk(folder):
    def put(file, shape):
        data = file.create_dataset(
            KERNEL, shape, "f4", chunks=(1 << 13, 1 << 13), maxshape=(None, None), compression="gzip"
        )
        data[...] = 1.0

    return with_weights(folder, replaced(put))


@hostile("declares|holds 0")
def never_written(folder):
    def put(file, shape):
        file.create_dataset(KERNEL, shape, "f4")

    return with_weights(folder, replaced(put))


@hostile("filter")
def unknown_filter(folder):
    return with_weights(
        folder,
        replaced(
            lambda file, shape: file.create_dataset(KERNEL, data=np.ones(shape, "f4"), compression="lzf")
        ),
    )


@hostile("numbers")
def references_for_numbers(folder):
    def put(file, shape):
        data = file.create_dataset(KERNEL, shape, h5py.ref_dtype)
        data[...] = file.ref

    return with_weights(folder, replaced(put))


@hostile("numbers")
def compound_numbers(folder):
    return with_weights(
        folder,
        replaced(
            lambda file, shape: file.create_dataset(KERNEL, data=np.zeros(shape, [("a", "f4"), ("b", "f4")]))
        ),
    )


@hostile("unnamed type")
def two_unnamed_bytes(folder):
    return with_weights(
        folder, replaced(lambda file, shape: file.create_dataset(KERNEL, data=np.zeros(shape, "V2")))
    )


@hostile("'d'.*'kernel'.*NaN")
def nan_in_a_weight(folder):
    def change(file):
        file[KERNEL][1, 1] = np.nan

    return with_weights(folder, change)


@hostile("'kernel'.*beyond float32")
def double_beyond_float32(folder):
    def put(file, shape):
        file[KERNEL] = np.full(shape, 1e300)

    return with_weights(folder, replaced(put))


@hostile("'bn'.*moving_variance")
def negative_variance(folder):
    def change(file):
        file["layers/batch_normalization/vars/3"][0] = -0.001  # minus epsilon: the sum is exactly 0 or less

    return with_weights(folder, change)


@hostile("should be a dataset")
def group_for_a_dataset(folder):
    return with_weights(folder, replaced(lambda file, shape: file.create_group(KERNEL)))


@hostile("missing")
def missing_group(folder):
    def change(file):
        del file["layers/dense"]

    return with_weights(folder, change)


@hostile("no layers for")
def weights_nobody_asked_for(folder):
    def change(file):
        file["layers/dense_1/vars/0"] = np.ones(3)

    return with_weights(folder, change)


@hostile("holds 3 weights")
def one_weight_too_many(folder):
    def change(file):
        file["layers/dense/vars/2"] = np.ones(3)

    return with_weights(folder, change)


@hostile("which has none")
def weights_for_dropout(folder):
    def change(file):
        file.require_group("layers/dropout/vars")["0"] = np.ones(3)

    return with_weights(folder, change)


# -- legacy files -----------------------------------------------------------------------------------------------


def legacy(folder, change):
    with h5py.File(folder / "m.h5", "r+") as file:
        change(file)
    return folder / "m.h5"


@hostile("no model_config")
def any_hdf5_file(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file["data"] = np.ones(3)
    return folder / "x.h5"


@hostile("load_weights")
def weights_without_a_network(folder):
    def change(file):
        del file.attrs["model_config"]
        file.attrs["layer_names"] = [b"d"]

    return legacy(folder, change)


@hostile("never runs")
def legacy_lambda(folder):
    def change(file):
        config = json.loads(file.attrs["model_config"])
        layer = next(r for r in config["config"]["layers"] if r["config"]["name"] == "d")
        layer["class_name"], layer["config"]["function"] = "Lambda", ["4wEAAAAAAAAA", None, None]
        file.attrs["model_config"] = json.dumps(config)

    return legacy(folder, change)


@hostile("is not a name|missing|cannot be told apart")
def weight_name_leads_upwards(folder):
    def change(file):
        file["model_weights/d"].attrs["weight_names"] = [b"../kernel", b"d/bias"]

    return legacy(folder, change)


@hostile("another file")
def legacy_external_storage(folder):
    (folder / "secret.bin").write_bytes(bytes(1000))

    def change(file):
        home = file["model_weights/d"]
        kernel = home.attrs["weight_names"][0]
        shape = home[kernel].shape
        del home[kernel]
        home.create_dataset(kernel, shape, "f4", external=[(str(folder / "secret.bin"), 0, 1000)])

    return legacy(folder, change)


@hostile("twice")
def weight_listed_twice(folder):
    def change(file):
        file["model_weights/d"].attrs["weight_names"] = [b"d/kernel", b"d/kernel"]

    return legacy(folder, change)
