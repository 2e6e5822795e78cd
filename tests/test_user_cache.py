"""Entries of the cache folder, checked one by one, apart from what uses them."""

import os
import stat
from pathlib import Path

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


def test_where_entries_are_kept(monkeypatch, tmp_path):
    assert user_cache.folder() == str(tmp_path / "cache")
    monkeypatch.delenv("FOLDNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache.folder() == str(tmp_path / "xdg" / "foldnet")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert user_cache.folder() == str(tmp_path / "me" / ".cache" / "foldnet")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert user_cache.folder() == os.path.join(os.devnull, ".cache", "foldnet")  # noqa: PTH118
    assert user_cache.ready() is None
    assert not user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))


def test_nobody_else_reads_an_entry_at_any_time(home):
    modes = []

    def fill(path: Path) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        assert user_cache.write("within.bin", lambda path: path.write_bytes(b"other"))
        path.write_bytes(b"data")

    assert user_cache.write("one.bin", fill)
    assert modes == [0o600]
    assert stat.S_IMODE((home / "one.bin").stat().st_mode) == stat.S_IMODE(home.stat().st_mode) == 0o700
    assert sorted(path.name for path in home.iterdir()) == ["one.bin", "within.bin"]


def test_an_entry_without_data_is_none(home):
    assert user_cache.write("none.bin", lambda path: None)
    assert user_cache.read("none.bin") is None


def test_what_fails_leaves_nothing(home):
    def fill(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        user_cache.write("one.bin", fill)
    assert list(home.iterdir()) == []
    user_cache.remove("one.bin")
    user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    user_cache.remove("one.bin")
    assert list(home.iterdir()) == []


def test_links_and_folders_are_no_entries(home):
    user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    (home / "one.bin").rename(home / "elsewhere")
    (home / "one.bin").symlink_to(home / "elsewhere")
    assert user_cache.read("one.bin") is None
    assert not user_cache.is_private(str(home / "one.bin"), stat.S_IFREG)
    assert not user_cache.is_private(str(home), stat.S_IFREG)
    assert user_cache.is_private(str(home / "elsewhere"), stat.S_IFREG)


def test_another_users_is_not_trusted(home, monkeypatch):
    user_cache.write("one.bin", lambda path: path.write_bytes(b"data"))
    real = os.lstat

    def by(owner):
        return lambda path: os.stat_result((*real(path)[:4], owner, *real(path)[5:]))

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for owner, trusted in ((1000, True), (0, True), (1001, False)):
        monkeypatch.setattr(os, "lstat", by(owner))
        assert (user_cache.read("one.bin") is not None) is trusted
