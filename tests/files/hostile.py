"""Files that lie, each made from a good one by one change; ``MAKERS`` has a function for each.

Every function gets a folder with a fresh good ``m.keras`` and ``m.h5`` and returns the path of what it made of them.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib

import h5py

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


@hostile("is a device")
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


@hostile("has 5000 digits, and at most 4000 are read")
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


@hostile("class should be a name")
def class_that_is_an_object(folder):
    return with_config(folder, in_layer("d", lambda r: r.update(class_name={"a": []})))


@hostile("class should be a name")
def class_that_is_a_list(folder):
    return with_config(folder, in_layer("bn", lambda r: r.update(class_name=["NotEqual"])))


@hostile("characters that no name can have")
def name_with_an_end_in_it(folder):
    return with_config(folder, in_layer("d", lambda r: r["config"].update(name="d\0e")))


@hostile("characters that no name can have")
def name_with_half_a_pair(folder):
    return with_config(folder, in_layer("d", lambda r: r["config"].update(name="\ud800")))


@hostile("called on 2 tensors")
def layer_called_on_two(folder):
    return with_config(folder, lambda c: json.dumps(functional(["i", "i"])).encode())


@hostile("called on 0 tensors")
def layer_called_on_none(folder):
    return with_config(folder, lambda c: json.dumps(functional([])).encode())


@hostile("batch_shape of the input")
def shape_of_texts(folder):
    return with_config(folder, in_layer("in", lambda r: r["config"].update(batch_shape=[None, "x"])))


@hostile("not a dtype of data")
def dtype_of_nothing(folder):
    return with_config(folder, in_layer("in", lambda r: r["config"].update(dtype="-0.5")))


@hostile("circle|symbolic links")
def links_in_a_circle(folder):
    (folder / "a.keras").symlink_to(folder / "b.keras")
    (folder / "b.keras").symlink_to(folder / "a.keras")
    return folder / "a.keras"


@hostile("is a pipe")
def pipe(folder):
    os.mkfifo(folder / "p.keras")
    return folder / "p.keras"


@hostile("not the path of a file")
def path_with_an_end_in_it(folder):
    return str(folder / "m\0.keras")


@hostile("not the path of a file")
def path_with_half_a_pair(folder):
    return str(folder / "\ud800.keras")


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


def functional(operands):
    """A network of an input "i" and a layer "d" that is called on these."""
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [n, 0, 0]}} for n in operands]
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
            "inbound_nodes": [{"args": [tensors], "kwargs": {}}],
        },
    ]
    config = {"name": "f", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]]}
    return {"module": "keras", "class_name": "Functional", "config": config}


@hostile("uses call")
def circular_calls(folder):
    return with_config(folder, lambda c: json.dumps(functional(["d"])).encode())
