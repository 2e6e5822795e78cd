"""Members of an archive, each check alone: what stands before it in a whole file is in order here."""

import io
import struct
import zipfile

import pytest

from foldnet.errors import FileFormatError
from foldnet.files import archive as archive_module
from foldnet.files.archive import Archive


def archive(names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as writer:
        for name in names:
            writer.writestr(name, b"the same bytes")  # so that no checksum can tell one member from another
    return bytearray(data.getvalue())


def test_a_member_must_have_its_own_name_where_it_begins():
    """The directory points "a" at the place of "b": sizes and checksums fit, only the local name does not."""
    data = archive(["a.json", "b.json"])
    entry_a = data.index(b"PK\x01\x02")
    entry_b = data.index(b"PK\x01\x02", entry_a + 1)
    data[entry_a + 42 : entry_a + 46] = data[entry_b + 42 : entry_b + 46]
    whole = Archive(io.BytesIO(bytes(data)))
    assert whole.read("b.json", 100) == b"the same bytes"
    with pytest.raises(FileFormatError, match="another name where it begins"):
        whole.read("a.json", 100)


def test_a_member_must_begin_with_its_mark():
    data = archive(["a.json"])
    data[data.index(b"PK\x03\x04") + 2] ^= 1
    with pytest.raises(FileFormatError, match="does not begin where"):
        Archive(io.BytesIO(bytes(data))).read("a.json", 100)


def test_a_checksum_is_compared_though_sizes_fit():
    data = archive(["a.json"])
    data[data.index(b"the same")] ^= 1
    with pytest.raises(FileFormatError, match="checksum"):
        Archive(io.BytesIO(bytes(data))).read("a.json", 100)


def test_a_limit_is_the_last_size_that_is_read():
    whole = Archive(io.BytesIO(bytes(archive(["a.json"]))))
    assert len(whole.read("a.json", 14)) == 14
    with pytest.raises(FileFormatError, match="at most 13"):
        whole.read("a.json", 13)


def test_stored_members_have_one_size():
    data = archive(["a.json"])
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 13)
    with pytest.raises(FileFormatError, match="stored as it is, in 14 bytes, but should give 13"):
        Archive(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("by", [1, -1])
def test_an_entry_must_begin_with_its_mark(by):
    data = archive(["a.json"])
    data[data.index(b"PK\x01\x02") + 2] += by
    with pytest.raises(FileFormatError, match="directory is damaged"):
        Archive(io.BytesIO(bytes(data)))


def test_comments_and_extra_fields_are_stepped_over():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as writer:
        for k, name in enumerate(["a.json", "longer/b.json", "c.json"]):
            info = zipfile.ZipInfo(name)
            info.extra, info.comment = struct.pack("<HH5s", 0xCAFE, 5, b"extra"), b"said of it" * k
            writer.writestr(info, name.encode())
        writer.comment = b"of the whole"
    whole = Archive(data)
    assert list(whole.members) == ["a.json", "longer/b.json", "c.json"]
    assert all(whole.read(name, 100) == name.encode() for name in whole.members)


def test_small_members_may_be_compressed_at_any_ratio(monkeypatch):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("a", bytes(10_000))
    assert Archive(data).members["a"].stored < 100
    monkeypatch.setattr(archive_module, "SMALL", 10_000)
    assert Archive(data).read("a", 10_000) == bytes(10_000)
    monkeypatch.setattr(archive_module, "SMALL", 9_999)
    with pytest.raises(FileFormatError, match="which no network's weights do"):
        Archive(data).read("a", 10_000)
    monkeypatch.setattr(archive_module, "MAX_RATIO", 10_000)
    assert Archive(data).read("a", 10_000) == bytes(10_000)
