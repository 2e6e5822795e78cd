"""The reader of HDF5 gives what h5py gives, in every format of the file and every way of keeping things."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.hdf5.checksum import lookup3

FORMATS = Path(__file__).parent.parent / "fixtures" / "formats"
VERSIONS = [None, "v108", "v110", "v112", "latest"]


def plain(value):
    """An attribute of h5py as the reader gives it."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.ravel().tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode() if isinstance(value, bytes) else value


def same(ours, theirs):
    """Compare everything below two groups; how many datasets there were."""
    assert sorted(ours.names()) == sorted(theirs)
    assert sorted(ours.attribute_names()) == sorted(theirs.attrs)
    for name, value in theirs.attrs.items():
        assert ours.attribute(name) == plain(value)
    count = 0
    for name, child in theirs.items():
        assert ours.is_group(name) == isinstance(child, h5py.Group)
        if ours.is_group(name):
            count += same(ours.group(name), child)
            continue
        assert ours.shape(name) == child.shape
        array = ours.array(name, child.shape)
        assert array.flags.writeable
        assert array.dtype.isnative
        np.testing.assert_array_equal(array, child[()])
        count += 1
    return count


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*.h5")), ids=lambda path: path.name)
@pytest.mark.parametrize("whole", [False, True])
def test_files_of_every_keras(path, whole):
    with Hdf5File(path.read_bytes() if whole else path) as ours, h5py.File(path) as theirs:
        assert same(ours.root, theirs) > 3


def image_of(version, fill, **settings):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=version or ("earliest", "v108"), **settings) as file:
        fill(file)
    return buffer.getvalue()


def compare(image):
    with Hdf5File(image) as ours, h5py.File(io.BytesIO(image)) as theirs:
        return same(ours.root, theirs)


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_few_and_many_children_and_attributes(version, order):
    """Up to eight stand in the header, more in heaps and trees, and these have one level or several."""

    def fill(file):
        for count in (0, 1, 7, 9, 40, 600):
            group = file.create_group(f"group {count}", track_order=order)
            for i in range(count):
                group.create_group(f"child {i} é" * (1 + i % 5))
            for i in range(min(count, 150)):
                kinds = ["x" * i, i, i / 3, np.arange(i + 1), ["a", "long" * i], np.bytes_(b"q" * (i + 1))]
                group.attrs[f"attribute {i}"] = kinds[i % len(kinds)]

    compare(image_of(version, fill, track_order=order))


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_attributes_too_large_for_a_header(version):
    def fill(file):
        for i in range(12):
            file.attrs[f"some {i}"] = np.arange(70 * (i + 1))
            file.attrs[f"large {i}"] = np.arange(9000 * (i + 1))

    compare(image_of(version, fill))


@pytest.mark.parametrize("version", VERSIONS)
def test_numbers_of_every_type_and_layout(version):
    rng = np.random.default_rng(0)
    packings = [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True},
        {"fletcher32": True},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {},
    ]

    def fill(file):
        for kind in ("f2", "f4", "f8", ">f4", ">f8", "i1", "u1", "i2", ">i4", "i8", "u8", "?"):
            for place, shape in {"whole": (3, 5), "single": (), "empty": (0, 3)}.items():
                file[f"{place} {kind}"] = (rng.normal(size=shape) * 50).astype(kind)
        data = rng.normal(size=(33, 17)).astype("f4")
        for index, packing in enumerate(packings):
            file.create_dataset(f"chunk {index}", data=data, chunks=data.shape, **packing)
            if version in (None, "v108"):
                file.create_dataset(f"chunks {index}", data=data, chunks=(7, 4), **packing)

    assert compare(image_of(version, fill)) > 40


def test_chunks_of_the_newest_format_are_refused_with_a_way_out():
    data = np.ones((30, 30), "f4")
    image = image_of("latest", lambda file: file.create_dataset("x", data=data, chunks=(7, 4)))
    with Hdf5File(image) as file, pytest.raises(FileFormatError, match="libver='earliest'"):
        file.root.array("x", data.shape)


def test_checksum_is_the_published_one():
    """The values that ``lookup3.c`` itself states."""
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


@pytest.mark.parametrize("version", ["v108", "latest"])
def test_every_flipped_byte_of_a_checked_structure_is_found(version):
    """Only the numbers of a dataset have no checksum."""

    def fill(file):
        group = file.create_group("layers")
        for i in range(12):
            group.attrs[f"a{i}"] = i
            group.create_group(f"g{i}")

    image = image_of(version, fill)
    good = everything(image)
    found = 0
    for place in range(image.index(b"OHDR"), len(image), 23):
        damaged = bytearray(image)
        damaged[place] ^= 0x55
        try:
            assert everything(bytes(damaged)) == good  # in bytes that nobody reads
        except FileFormatError:
            found += 1
    assert found > 50


def everything(image):
    with Hdf5File(image) as file:
        group = file.root.group("layers")
        return group.names(), [group.attribute(name) for name in group.attribute_names()]


def test_a_free_list_that_leads_to_itself_and_a_driver_that_is_not_there():
    """By either the C library took all memory and all time; a reader needs neither."""
    image = bytearray(image_of(None, lambda file: file.create_dataset("layers/x", data=np.arange(5.0))))
    theirs = bytes(image)
    heap = image.index(b"HEAP")
    free, segment = (int.from_bytes(image[heap + at : heap + at + 8], "little") for at in (16, 24))
    image[segment + free : segment + free + 8] = free.to_bytes(8, "little")
    image[48:56] = (200).to_bytes(8, "little")
    with Hdf5File(bytes(image)) as ours, h5py.File(io.BytesIO(theirs)) as good:
        assert same(ours.root, good) == 1


def cycle(image, signature, at, value):
    damaged = bytearray(image)
    start = damaged.index(signature)
    damaged[start + at : start + at + 8] = (start if value is None else value).to_bytes(8, "little")
    return bytes(damaged)


def many(file):
    for i in range(2000):
        file.create_group(f"layers/{i}")


@pytest.mark.parametrize(
    ("signature", "at", "value"),
    [
        (b"TREE", 32, None),  # a child that is the tree itself
        (b"HEAP", 8, 1 << 40),  # a heap larger than the file
        (b"HEAP", 24, 1 << 40),  # and one outside of it
        (b"TREE", 32, 1 << 63),
    ],
)
def test_links_that_lead_nowhere_or_back(signature, at, value):
    with pytest.raises(FileFormatError):
        Hdf5File(cycle(image_of(None, many), signature, at, value))


def test_a_header_that_goes_on_in_itself():
    """Each of its blocks says that there is another, which is the same."""
    image = bytearray(image_of(None, lambda file: None))
    root = int.from_bytes(image[64:72], "little")
    image[root + 8 : root + 12] = (24).to_bytes(4, "little")
    image[root + 16 : root + 40] = (
        b"\x10\0\x10\0\0\0\0\0" + (root + 16).to_bytes(8, "little") + (24).to_bytes(8, "little")
    )
    with pytest.raises(FileFormatError, match=r"refers back to itself|many times"):
        Hdf5File(bytes(image))
