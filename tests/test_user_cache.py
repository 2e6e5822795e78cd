"""Entries of the cache folder, checked one by one, apart from what uses them."""

import pytest

from foldnet import user_cache


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_entry_is_bound_to_its_name(home):
    """A whole entry, private and with a right digest, is not another's."""
    assert user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    assert bytes(user_cache.read("one.bin")) == b"data"
    other = home / "two.bin"
    other.write_bytes((home / "one.bin").read_bytes())
    other.chmod(0o700)
    assert user_cache.read("two.bin") is None


@pytest.mark.parametrize("damage", [0, 3, 4, -1])
def test_any_byte_counts(home, damage):
    user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    whole = bytearray((home / "one.bin").read_bytes())
    whole[damage] ^= 1
    (home / "one.bin").write_bytes(whole)
    assert user_cache.read("one.bin") is None


def test_what_is_open_to_others_is_not_read(home):
    user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    for path in (home / "one.bin", home):
        mode = path.stat().st_mode
        path.chmod(mode | 0o020)
        assert user_cache.read("one.bin") is None
        path.chmod(mode)
    assert user_cache.read("one.bin") is not None
