"""The two examples that train convolutions and recurrence: what they print, and what the guide says of it, holds."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import foldnet

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guides" / "images-and-sequences.md").read_text(encoding="utf-8")
HARDER = 2
"""The last figure of the table of digits: moved, or learned in batches of 2."""

pytestmark = pytest.mark.as_shipped  # the fits are long enough to need it


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(ROOT / "examples" / "digits_axis.py"))


def test_digits(example, tmp_path, monkeypatch):
    """One run, since it takes long: the claims, the guide, both layouts, the networks that are kept."""
    monkeypatch.setenv(
        "FOLDNET_THREADS", "1"
    )  # same bits; beside other tests two threads wait for each other
    small, large, apart = example["main"](3, tmp_path)
    the_right_axis_is_better_where_the_example_says_so(small, large)
    there_is_little_where_it_says_that_little_is_seen(small, large)
    the_guide_has_these_figures(small, large)
    assert apart < 1e-6
    the_doctor_finds_it_in_the_files(tmp_path)


def the_right_axis_is_better_where_the_example_says_so(small, large):
    assert large["right"][HARDER] > large["wrong"][HARDER] + 0.15
    assert large["wrong"][HARDER] > large["pixels"][HARDER] + 0.05
    assert small["right"][HARDER] > small["pixels"][HARDER] + 0.15


def there_is_little_where_it_says_that_little_is_seen(small, large):
    assert all(found[1] > 0.85 for found in large.values())
    assert abs(small["right"][1] - small["pixels"][1]) < 0.06
    for which in (1, HARDER):
        assert abs(small["right"][which] - small["wrong"][which]) < 0.06


def the_guide_has_these_figures(small, large):
    rows = re.findall(
        r"^\| (8 × 8|28 × 28), .*?\| `(.+?)`.*?\| ([\d.]+) \| ([\d.]+) \|$", GUIDE, re.MULTILINE
    )
    measured = [
        (size, *found[1:])
        for size, by_kind in zip(("8 × 8", "28 × 28"), (small, large), strict=True)
        for found in by_kind.values()
    ]
    assert [size for size, *_ in rows] == [size for size, *_ in measured]
    for (_, axis, *said), (_, *found) in zip(rows, measured, strict=True):
        np.testing.assert_allclose(np.array(said, float), found, atol=0.08, err_msg=axis)


def the_doctor_finds_it_in_the_files(folder):
    found = {}
    for file in folder.iterdir():
        model = foldnet.load_model(file)
        found[file.stem] = {f.check for f in foldnet.doctor(model) if f.severity != "note"}
        assert model.get_layer("norm_1").moving_mean.numpy().any()
    assert len(found) == 6
    for size in (8, 28):
        assert "axis-and-data-format" in found[f"digits_{size}_wrong"]
        assert "statistics-of-positions" in found[f"digits_{size}_pixels"]
        assert not found[f"digits_{size}_right"]


def test_training_in_the_other_layout(example):
    images, digit = example["digits"]()
    fits = {}
    for data_format in ("channels_last", "channels_first"):
        axis = example["AXES"]["right"][data_format]
        x = example["placed"](images[:320], data_format)
        model, _ = example["trained"](x, digit[:320], data_format, axis, seed=3, epochs=2)
        fits[data_format] = [*model.get_weights(), model.predict(x, verbose=0)]
    for one, other in zip(*fits.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_activity(tmp_path, capsys):
    names = runpy.run_path(str(ROOT / "examples" / "activity.py"))
    shares, frozen, in_c = names["main"](tmp_path)
    assert min(shares) > 0.9
    assert frozen.proven
    assert in_c.proven
    said = capsys.readouterr().out
    assert "self-test: 360 rows, largest difference" in said
    assert said.count("equal: True, proven: True") == 2
    code, constants = (
        int(number.replace(",", ""))
        for number in re.search(r"([\d,]+) bytes of code, ([\d,]+) bytes of weights", said).groups()
    )
    assert 500 < code < 20_000
    # Both normalizations are folded into the convolutions: 2 x 4 vectors of 16 are gone, 2 of 16 are new.
    weights = foldnet.load_model(tmp_path / "watch.keras").count_params() - 6 * 16
    assert 4 * weights <= constants < 4 * weights + 200
