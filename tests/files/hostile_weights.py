"""Files whose weights lie: links, foreign bytes, wrong shapes and types; and the same in legacy files."""

from __future__ import annotations

import json

import h5py
import numpy as np

from tests.files.hostile import hostile, in_layer, members_of, with_config, with_weights, write

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


@hostile("not UTF-8")
def child_that_is_no_text(folder):
    return with_weights(folder, lambda file: file.create_group(b"layers/b\x8atch"))


@hostile("holds 3 weights")
def free_list_that_leads_to_itself(folder):
    """And a weight that is not there, so that there is something to refuse."""

    def change(file):
        del file["layers/batch_normalization/vars/0"]  # leaves a free place in the heap of names

    path = with_weights(folder, change)
    members = members_of(path)
    image = bytearray(members["model.weights.h5"])
    at = image.find(b"HEAP")
    while at >= 0:
        free, segment = (int.from_bytes(image[at + n : at + n + 8], "little") for n in (16, 24))
        if free < 1 << 32:
            image[segment + free : segment + free + 8] = free.to_bytes(8, "little")
        at = image.find(b"HEAP", at + 8)
    members["model.weights.h5"] = bytes(image)
    return write(path, members)


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
