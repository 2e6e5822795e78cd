"""Where zig keeps what it compiles: for the next time, but never where another process does."""

from pathlib import Path

import pytest

from foldnet.export.zig import CODE, LIBRARIES, workshop


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in (LIBRARIES, CODE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_libraries_stay_and_code_goes(home):
    with workshop() as shop:
        assert shop.caches[LIBRARIES] == str(home / "zig")
        assert Path(shop.caches[CODE]).parent == shop.folder
        Path(shop.caches[LIBRARIES], "made").write_text("x")
    assert not shop.folder.exists()
    assert (home / "zig" / "made").exists()


def test_two_at_once_do_not_share(home):
    with workshop() as first:
        with workshop() as second:
            assert Path(second.caches[LIBRARIES]).parent == second.folder
        assert first.caches[LIBRARIES] == str(home / "zig")
    with workshop() as third:
        assert third.caches[LIBRARIES] == str(home / "zig")


def test_without_a_cache_all_of_it_goes(home):
    home.write_text("a file where the folder should be")
    with workshop() as shop:
        assert {Path(place).parent for place in shop.caches.values()} == {shop.folder}


def test_the_variables_of_zig_hold(home, monkeypatch):
    monkeypatch.setenv(LIBRARIES, "/elsewhere")
    with workshop() as shop:
        assert shop.caches[LIBRARIES] == "/elsewhere"
