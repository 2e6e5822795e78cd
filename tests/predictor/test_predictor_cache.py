"""Freezing a file a second time: from what was kept, and never from anything else than the same bytes gave."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import files, layers, user_cache
from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.network import Model
from foldnet.predictor import cache
from foldnet.sequential import Sequential

WINE = Path(foldnet.__file__).parent / "demo" / "wine.keras"
ROWS = np.random.default_rng(4).normal(size=(7, 11)).astype(np.float32)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch):
    """The files that were parsed."""
    paths = []
    real = (
        foldnet.load_model
    )  # looked up now: foldnet keeps what it finds under a public name at the first use
    monkeypatch.setattr(files, "load_model", lambda path, **k: (paths.append(path), real(path, **k))[1])
    return paths


def freeze(path=WINE, **settings):
    return foldnet.freeze(path, engine="reference", **settings)


def entries(home):
    return sorted(home.glob("*.foldnet"))


def small(seed):
    rng = np.random.default_rng(seed)
    model = Sequential([layers.Input((11,)), layers.BatchNormalization(), layers.Dense(3, "relu")])
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    return model


def test_the_second_time_parses_nothing_and_predicts_the_same_bits(home, parsed):
    first = freeze()
    again = freeze()
    assert parsed == [WINE]
    assert again(ROWS).tobytes() == first(ROWS).tobytes()
    assert repr(again) == repr(first)
    assert again.steps() == first.steps()
    assert again.notes == first.notes
    (entry,) = entries(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) & 0o077 == 0


def test_one_entry_serves_every_way_to_freeze(home, parsed):
    ways = [{}, {"fold": False}, {"dtype": "float64"}]
    fresh = [foldnet.freeze(foldnet.load_model(WINE), engine="reference", **way)(ROWS) for way in ways]
    parsed.clear()
    for _ in range(2):
        for way, expected in zip(ways, fresh, strict=True):
            predict = freeze(**way)
            assert predict(ROWS).tobytes() == expected.tobytes()
            assert predict.options.fold == way.get("fold", True)
    assert len(parsed) == 1


def test_names_of_inputs_and_results_are_kept(home, parsed, tmp_path):
    a, b = layers.Input((2,), name="b"), layers.Input((3,), name="a")
    both = layers.Concatenate()([a, b])
    model = Model({"b": a, "a": b}, {"z": layers.Dense(1)(both), "y": layers.Dense(2)(both)})
    path = tmp_path / "two.keras"
    model.save(path)
    x = {"b": ROWS[:, :2], "a": ROWS[:, :3]}
    first, again = freeze(path)(x), freeze(path)(x)
    assert len(parsed) == 1
    assert list(first) == list(again)
    assert all(first[k].tobytes() == again[k].tobytes() for k in first)


def test_other_bytes_at_the_same_path_are_another_file(home, parsed, tmp_path):
    path = tmp_path / "m.keras"
    results = []
    for seed in (1, 2, 1):
        small(seed).save(path)
        os.utime(path, ns=(1, 1))  # times are no evidence
        results.append(freeze(path)(ROWS))
        np.testing.assert_array_equal(results[-1], foldnet.freeze(small(seed), engine="reference")(ROWS))
    assert not np.array_equal(results[0], results[1])


def test_another_foldnet_parses_anew(home, parsed, monkeypatch):
    freeze()
    monkeypatch.setattr(cache, "_makers", lambda: b"changed modules")
    freeze()
    assert len(parsed) == 2
    assert len(entries(home)) == 2


def test_every_module_is_in_the_key(tmp_path, monkeypatch):
    copy = tmp_path / "foldnet"
    shutil.copytree(Path(foldnet.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    monkeypatch.setattr(cache, "__file__", str(copy / "predictor" / "cache.py"))
    before = cache._makers.__wrapped__()
    (copy / "layers" / "new" / "deep").mkdir(parents=True)
    (copy / "layers" / "new" / "deep" / "made_later.py").touch()
    for module in copy.rglob("*.py"):
        module.write_text(module.read_text() + "\n")
        after = cache._makers.__wrapped__()
        assert after != before, module
        before = after


def truncate(data):
    return data[:-40]


def flip(data):
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def other_program(data):
    """A sound entry under the name of another."""
    from foldnet.predictor.file import to_bytes

    other = foldnet.freeze(small(3), engine="reference")
    body = to_bytes(other.unfolded, other.options)
    return body + user_cache.digest(b"elsewhere.foldnet", body)


@pytest.mark.parametrize("damage", [truncate, flip, other_program, lambda data: b""])
def test_a_damaged_entry_is_made_anew(home, parsed, damage):
    expected = freeze()(ROWS)
    (entry,) = entries(home)
    entry.write_bytes(damage(entry.read_bytes()))
    assert freeze()(ROWS).tobytes() == expected.tobytes()
    assert len(parsed) == 2
    assert freeze()(ROWS).tobytes() == expected.tobytes()
    assert len(parsed) == 2


def test_a_file_that_changes_while_it_is_read_is_not_kept(home, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    small(1).save(path)
    real = (
        foldnet.load_model
    )  # looked up now: foldnet keeps what it finds under a public name at the first use

    def change_and_load(given, **settings):
        small(2).save(given)
        return real(given, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(files, "load_model", change_and_load)
        freeze(path)
    assert not entries(home)
    small(1).save(path)
    np.testing.assert_array_equal(freeze(path)(ROWS), foldnet.freeze(small(1), engine="reference")(ROWS))


def test_functions_of_the_caller_are_never_kept(home, parsed):
    for _ in range(2):
        freeze(activations={"unused": np.tanh})
    assert len(parsed) == 2
    assert not entries(home)


def test_errors_are_the_readers_own_every_time(home, tmp_path):
    (tmp_path / "bad.keras").write_bytes(WINE.read_bytes()[:-100])
    for _ in range(2):
        with pytest.raises(FileFormatError, match=r"bad\.keras"):
            freeze(tmp_path / "bad.keras")
        with pytest.raises(FileNotFoundError):
            freeze(tmp_path / "none.keras")
        with pytest.raises(FileFormatError, match="directory"):
            freeze(tmp_path)
    assert not entries(home)


def test_a_network_that_cannot_be_frozen_says_so_every_time(home, tmp_path, monkeypatch):
    def refuse(network, mode, **settings):
        raise UnsupportedError("not this one")

    monkeypatch.setattr("foldnet.lowering.lower.lower", refuse)
    for _ in range(2):
        with pytest.raises(UnsupportedError, match="not this one"):
            freeze()
    assert not entries(home)


def test_the_entries_used_longest_ago_go(home, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "ENTRIES", 2)
    paths = [tmp_path / f"{i}.keras" for i in range(3)]
    for i, path in enumerate(paths):
        small(i).save(path)
    freeze(paths[0]), freeze(paths[1])
    for age, path in enumerate((paths[1], paths[0])):
        os.utime(user_cache.path_of(cache._entry(path)), ns=(age, age))
    freeze(paths[1])  # used again, so the first is now the oldest
    freeze(paths[2])
    left = {e.name for e in entries(home)}
    assert left == {cache._entry(p) for p in paths[1:]}


def test_large_files_are_not_kept(home, parsed, monkeypatch):
    monkeypatch.setattr(cache, "LARGEST", 1000)
    freeze(), freeze()
    assert len(parsed) == 2
    assert not home.exists()


def test_a_folder_that_cannot_be_used_is_done_without(home, parsed):
    home.write_text("")
    expected = foldnet.freeze(foldnet.load_model(WINE), engine="reference")(ROWS)
    assert freeze()(ROWS).tobytes() == freeze()(ROWS).tobytes() == expected.tobytes()


def test_a_known_file_needs_neither_hdf5_nor_layers(home):
    code = (
        "import sys, numpy, foldnet; foldnet.freeze(sys.argv[1])(numpy.zeros((1, 11), numpy.float32)); "
        "print(*sorted(set(sys.modules) & {'h5py', 'foldnet.layers', 'foldnet.training', 'pathlib', 'tempfile'}))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, WINE], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert {"foldnet.layers", "h5py"} & set(runs[0].split()) == {
        "foldnet.layers"
    }  # reading needs no HDF5 library
    assert runs[1].split() == []


def test_a_known_file_needs_only_the_families_of_its_operations(home):
    code = (
        "import sys, numpy, foldnet; foldnet.freeze(sys.argv[1])(numpy.zeros((1, 11), numpy.float32)); "
        "print(*(m.split('.')[2] for m in sys.modules if m.startswith('foldnet.operations.') and m.endswith('.op')))"
    )
    freeze()
    done = subprocess.run([sys.executable, "-c", code, WINE], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"affine", "elementwise", "matrix", "structure"}
