"""The pages of ``make bench`` are written from given figures."""

import copy
import re

import pytest

import foldnet


def side(median, **others):
    return {
        "median": median,
        "p10": median * 0.9,
        "p90": median * 1.3,
        "least": median * 0.8,
        "turns": 5,
    } | others


@pytest.fixture
def results():
    shares = {"gflops": 91.4, "gbytes": 12.0, "share": 0.784, "limit": "arithmetic"}
    return {
        "about": {
            "date": "2026-01-02", "processor": "Some CPU", "processors": 2, "lanes": 16, "system": "Linux",
            "python": "3.11", "compiler": "gcc 12", "versions": {"numpy": "2.4"}, "partial": False,
        },
        "limits": {"1": {"flops": 117e9, "bytes": 30e9}, "2": {"flops": 232e9, "bytes": 37e9}},
        "prediction": [
            {
                "name": "4-4-3", "rows": 1_024, "threads": 1, "at_most": 0.4, "fastest": "LiteRT", "ratio": 0.25,
                "sides": {
                    "foldnet": side(2e-6), "foldnet bound": side(1e-6), "LiteRT": side(8e-6), "NumPy": side(9e-6),
                },
            } | shares,
            {
                "name": "4-4-3", "rows": 1, "threads": 2, "at_most": 0.4, "fastest": "NumPy", "ratio": 0.5,
                "sides": {"foldnet": side(2e-7), "NumPy": side(4e-7)},
            } | shares,
        ],
        "training": [
            {
                "name": "64-128-128-10", "batch": 128, "threads": 1, "at_least": {"JAX scan": 10, "Keras-TF": 2},
                "fastest": "JAX scan", "ratio": 0.125,
                "sides": {"foldnet": side(1e-3), "JAX scan": side(8e-3), "Keras-TF": side(0.03)},
            } | shares,
        ],
        "activations": [
            side(2e-5) | {"name": "relu", "threads": 1, "ratio": 1.0, "at_most": 2.0},
            side(9e-5) | {"name": "tanh", "threads": 1, "ratio": 4.5, "at_most": 2.0},
        ],
        "processes": [side(0.123) | {"name": "LiteRT", "memory": 45_000_000, "installed": 120_000_000}],
        "compilations": [
            side(0.7) | {"name": "narrow", "at_most": 0.6}, side(0.5) | {"name": "other", "at_most": None},
        ],
        "left_out": [
            {"case": "4-4-3, 1 row", "threads": 2, "side": "LiteRT", "why": "it stopped"},
            {"case": "4-4-3, 32 rows", "threads": 2, "side": "LiteRT", "why": "it stopped"},
        ],
    }  # fmt: skip


def rows(page):
    """All lines of tables, as lists of cells."""
    return [
        [c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")
    ]


def test_a_page_has_every_figure(programs, results):
    page = programs.report.page(results)
    found = rows(page)
    assert ["4-4-3", "1,024", "2.00 µs (1.80 µs to 2.60 µs)", "0.25 of LiteRT", "0.4", "91.4", "78 % (arithmetic)",
            "1.00 µs"] in found  # fmt: skip
    assert ["4-4-3", "1,024", "2.00 µs", "1.00 µs", "**8.00 µs**", "9.00 µs"] in found
    assert "no complete run" not in page
    results["about"]["partial"] = True
    assert "no complete run" in programs.report.page(results)
    assert ["1", "117 GFLOP/s", "30 GB/s"] in found
    assert ["LiteRT", "123 ms (111 ms to 160 ms)", "45 MB", "120 MB"] in found
    assert all(name in page for name in ("Some CPU", "2026-01-02", "gcc 12", "numpy 2.4"))


def test_what_is_missed_is_marked_and_listed(programs, results):
    missed = programs.report.missed(results)
    assert missed == [
        "4-4-3, 1 rows, 2 threads: 0.50 of NumPy, wanted 0.4",
        "64-128-128-10, batch 128, 1 thread: 8.00 times as fast as JAX scan, wanted 10",
        "tanh, 1 thread: 4.50 times relu's step, wanted 2",
        "narrow: 700 ms, wanted 0.6 s",
    ]
    page = programs.report.page(results)
    assert ["4-4-3", "1", "200 ns (180 ns to 260 ns)", "0.50 of NumPy", "**0.4, missed**"] in [
        row[:5] for row in rows(page)
    ]
    assert page.count(", missed**") == 4
    better = copy.deepcopy(results)
    better["prediction"][1]["ratio"] = 0.4
    better["training"][0]["sides"]["JAX scan"]["median"] = 0.01
    better["activations"][1]["ratio"] = 2.0
    better["compilations"][0]["median"] = 0.6
    assert programs.report.missed(better) == []
    assert "missed" not in programs.report.page(better)


def test_what_was_left_out_is_named_once_with_all_cases(programs, results):
    page = programs.report.page(results)
    assert "- LiteRT: it stopped. In: 4-4-3, 1 row (2 threads); 4-4-3, 32 rows (2 threads)." in page
    assert "Left out" not in programs.report.page(results | {"left_out": []})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5e-8, "25.0 ns"), (9.9996e-4, "1.00 ms"), (0.0123, "12.3 ms"), (1234.5, "1,234 s")],
)
def test_durations(programs, seconds, text):
    assert programs.report.duration(seconds) == text


def test_ratios_are_to_the_fastest_other_side(programs):
    sides = {
        "foldnet": side(1.0),
        "foldnet bound": side(0.1),
        "a": side(4.0, least=3.9),
        "b": side(2.0, least=1.9),
    }
    found = programs.measure.ratios(sides, "foldnet", ("foldnet bound",))
    assert found == {"fastest": "b", "ratio": 0.5, "ratio_least": pytest.approx(0.8 / 1.9)}
    assert programs.measure.ratios({"foldnet": side(1.0)}, "foldnet")["ratio"] is None


def test_shares_are_of_the_nearer_limit(programs):
    limit = {"flops": 100e9, "bytes": 10e9}
    found = programs.measure.shares(1.0, 50 * 10**9, 10**9, limit)
    assert (found["share"], found["limit"], found["gflops"]) == (0.5, "arithmetic", 50.0)
    assert programs.measure.shares(1.0, 10**9, 9 * 10**9, limit)["limit"] == "memory"


def test_medians_and_spread(programs):
    found = programs.measure.summary([5.0, 1.0, 2.0, 3.0, 4.0])
    assert found == {"median": 3.0, "p10": 1.4, "p90": 4.6, "least": 1.0, "turns": 5}


def test_operations_are_counted(programs):
    network = programs.networks.Network((3, 4, 2))
    assert programs.cases.Prediction("n", network, 10).operations == 2 * 20 * 10
    assert programs.cases.Training("n", network, 10, 1).operations == 6 * 20 * 10
    assert programs.cases.Prediction("n", network, 10).bytes == 4 * (26 + 50)


def test_a_run_of_a_part_leaves_out_what_knows_no_parts(programs):
    assert [name for name, *_ in programs.run.commands(True, ["784"], 1)] == ["compare.py", "deep.py"]
    whole = programs.run.commands(False, [], None)
    assert whole[0] == ["compare.py"]
    assert {name for name, *_ in whole} >= {"serving.py", "wasm.py"}
    assert all(re.fullmatch(r"\w+\.py", name) for name, *_ in whole)


def test_every_timed_activation_needs_no_settings(programs):
    for name in programs.cases.ACTIVATIONS:
        model = programs.networks.build(foldnet, programs.cases.activation_case(name).network)
        assert model.compute_output_shape((64, 16)) == (64, 1)
