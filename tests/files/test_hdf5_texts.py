"""A text whose declared length is a lie must not make the reader set memory aside for it."""

from __future__ import annotations

import struct

import h5py
import pytest

import foldnet
from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Hdf5File
from foldnet.layers import Dense, Input
from foldnet.sequential import Sequential

TEXTS = {"model_config": "x" * 300, "long": "y" * 70_000, "ünicode": "é", "empty": ""}


def descriptors(image, length):
    """Where the file has a text of this length: the length, then the place of a heap that there is."""
    heaps = [at for at in range(0, len(image), 8) if image[at : at + 4] == b"GCOL"]
    found = [image.find(struct.pack("<IQ", length, heap)) for heap in heaps]
    return [at for at in found if at >= 0]


def file_of(path, many):
    with h5py.File(path, "w") as file:
        group = file.create_group("layer")
        for index in range(many):  # so many that the header goes on elsewhere
            group.attrs[f"other{index}"] = "z" * 11
        for name, text in TEXTS.items():
            group.attrs[name] = text
        group.attrs["names"] = ["kernel:0", "bias"]
    return path


@pytest.mark.parametrize("many", [0, 3])
@pytest.mark.parametrize("whole", [False, True])
def test_true_texts_are_read(tmp_path, many, whole):
    path = file_of(tmp_path / "x.h5", many)
    with Hdf5File(path.read_bytes() if whole else path) as file:
        group = file.root.group("layer")
        assert {name: group.attribute(name) for name in TEXTS} == TEXTS
        assert group.attribute("names") == ["kernel:0", "bias"]


@pytest.mark.parametrize("many", [0, 3])
@pytest.mark.parametrize(("name", "length"), [("model_config", 300), ("names", 8)])
def test_a_lie_about_the_length_is_found(tmp_path, many, name, length):
    path = file_of(tmp_path / "x.h5", many)
    image = bytearray(path.read_bytes())
    (at,) = descriptors(image, length)
    image[at : at + 4] = struct.pack("<I", 0xF0000000)
    path.write_bytes(image)

    with (
        Hdf5File(path) as file,
        pytest.raises(FileFormatError, match="declares a text of 4,026,531,840 bytes"),
    ):
        file.root.group("layer").attribute(name)


def test_in_a_whole_model(tmp_path):
    path = tmp_path / "x.h5"
    Sequential([Input((3,)), Dense(2, name="dense")]).save(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights/dense"].attrs["weight_names"]
        file["model_weights/dense"].attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
    foldnet.load_model(path)
    image = bytearray(path.read_bytes())
    (at,) = descriptors(image, len("dense/kernel:0"))
    image[at + 3] = 0x10
    path.write_bytes(image)
    with pytest.raises(FileFormatError, match=r"x\.h5: .*'weight_names' of .* declares a text"):
        foldnet.load_model(path)
