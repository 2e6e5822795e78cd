"""The report of a run: what it says, what it draws, and that it needs nothing but itself."""

import json
import re
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from foldnet import Sequential, layers, utils
from foldnet.callbacks import NormalizationMonitor
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.insight.watch.report import page, read_run, write_page, write_plots
from foldnet.insight.watch.report.charts import ticks
from foldnet.insight.watch.report.figures import (
    in_words,
    latest,
    layer_figures,
    left_over,
    log_figures,
    thinned,
)
from tests.support.browser import NEEDS_BROWSER, find_browser


def record(directory, every="epoch", epochs=5, name="net", rows=96):
    utils.set_random_seed(3)
    model = Sequential(
        [layers.Input((4,)), layers.BatchNormalization(momentum=0.9, name="first"), layers.Dense(20),
         layers.BatchNormalization(name="<second>"), layers.Dense(1)],
        name=name,
    )  # fmt: skip
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(3, 2, (rows, 4)).astype(np.float32)
    model.fit(
        x, x[:, :1], batch_size=32, epochs=epochs, verbose=0, validation_split=0.34,
        callbacks=NormalizationMonitor(directory, every=every),
    )  # fmt: skip
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    record(directory)
    return read_run(directory)


class Page(HTMLParser):
    """The elements of a page, checked to be properly nested."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.data = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self.data = data

    def all(self, tag):
        return [attributes for t, attributes in self.elements if t == tag]


def test_the_page_is_whole_and_asks_for_nothing_else(run):
    text = page(run)
    found = Page(text)
    addresses = [v for _, a in found.elements for k, v in a.items() if k in ("src", "href", "action", "data")]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    (policy,) = [m["content"] for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in found.all("a")} <= set(ids)
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in found.all("svg"))
    assert "<second>" not in text  # a layer's name is text, not an element
    assert text.count("&lt;second&gt;") == 2


def test_the_numbers_on_the_page_are_those_recorded(run):
    found = Page(page(run))
    data = json.loads(found.data)
    assert data["steps"] == run.steps.astype(int).tolist()
    loss, mae, *rest = data["figures"]
    np.testing.assert_allclose(np.array(loss[1][1:], float), run.logs["val_loss"][1:], rtol=1e-4)
    np.testing.assert_allclose(np.array(mae[0][1:], float), run.logs["mae"][1:], rtol=1e-4)
    assert loss[0][0] is None
    assert len(rest) == 8
    moving = rest[0][1]  # each channel's batches, then its moving mean
    np.testing.assert_allclose(moving, run.layers[0].moving_mean[:, 0], rtol=1e-4)
    assert len(found.all("svg")) == len(data["figures"])


def test_a_name_cannot_end_the_script(tmp_path):
    record(tmp_path, epochs=1, name="a</script><script>alert(1)</script>")
    text = page(read_run(tmp_path))
    assert text.count("<script") == 2
    Page(text)


def test_lines_go_where_the_numbers_are(run):
    figure = layer_figures(run, run.layers[0], thinned(run))[0]
    assert [line.faint for line in figure.lines] == [True, False] * 4
    from foldnet.insight.watch.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart

    picture = chart(figure, 0)
    paths = re.findall(r'<path class="line c(\d)" d="M([^"]+)"', picture)
    assert [colour for colour, _ in paths] == ["0", "1", "2", "3"]
    values = np.concatenate([line.values[np.isfinite(line.values)] for line in figure.lines])
    low, high = values.min(), values.max()
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    for (_, path), line in zip(paths, figure.lines[1::2], strict=True):
        x, y = np.array([p.split(" ") for p in path.split("L")], float).T
        np.testing.assert_allclose(x, np.linspace(LEFT, WIDTH - RIGHT, len(figure.steps)), atol=0.06)
        expected = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (line.values - low) / (high - low)
        np.testing.assert_allclose(y, expected, atol=0.06)


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "expected"),
    [
        (0, 1, False, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.03, 0.013, False, ["−0.03", "−0.02", "−0.01", "0", "0.01"]),
        (0.5, 3000, True, ["1", "10", "100", "1\u202f000"]),
        (0.0001, 20, True, ["1e−04", "0.01", "1"]),
        (5, 5, False, ["5"]),
    ],
)
def test_ticks(low, high, logarithmic, expected):
    found = ticks(low, high, logarithmic)
    assert all(low <= tick <= high for tick, _ in found)
    texts = [text for _, text in found]
    assert texts == expected or (low == 0.0001 and len(texts) >= 3)


def test_what_is_said_of_a_layer(run):
    first, second = run.layers
    steps = run.steps[-1]
    assert left_over(run, first) == pytest.approx(0.9**steps)
    assert left_over(run, second) == pytest.approx(0.99**steps)
    words = " ".join(in_words(run, second))
    assert f"After {int(steps)} steps at momentum 0.99, {100 * 0.99**steps:.3g} % of each" in words
    assert "1 % is reached after 459 steps" in words
    now = latest(run, first)
    shift = np.abs(first.moving_mean[-1] - first.batch_mean[-1]) / np.sqrt(first.batch_variance[-1] + 1e-3)
    assert now.step == steps
    assert (now.median, now.largest) == pytest.approx((np.median(shift), shift.max()))
    assert now.ratio == pytest.approx(
        np.median((first.moving_variance[-1] + 1e-3) / (first.batch_variance[-1] + 1e-3))
    )


def test_the_table_has_the_numbers_that_the_charts_end_with(tmp_path):
    record(tmp_path, every=1, epochs=300)
    run = read_run(tmp_path)
    text = page(run)
    charts = json.loads(Page(text).data)["figures"][-4 * len(run.layers) :]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text)
    assert len(rows) == len(run.layers)
    for i, (layer, row) in enumerate(zip(run.layers, rows, strict=True)):
        distance, ratio = charts[4 * i + 2 : 4 * i + 4]
        ends = [[v for v in line if v is not None][-1] for line in (distance[1], distance[0], ratio[1])]
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        assert cells[-3:] == [f"{end:.3g}" for end in ends]
        assert cells[-4] == f"{latest(run, layer).step:,}"
        assert f"At step {cells[-4]}, the last recorded, " in " ".join(in_words(run, layer))
        for said in cells[-3:]:
            assert f" {said} " in " ".join(in_words(run, layer)).replace(")", " ")


def test_a_long_run_is_thinned_but_keeps_its_losses(tmp_path):
    record(tmp_path, every=1, epochs=300)
    run = read_run(tmp_path)
    assert len(run.steps) > 800
    places = thinned(run)
    assert len(places) <= 600
    assert (places[0], places[-1]) == (0, len(run.steps) - 1)
    assert np.isfinite(log_figures(run, places)[0].lines[0].values).sum() >= 200
    assert len(page(run)) < 1_500_000


def test_the_file_is_written_whole(run, tmp_path):
    write_page(run, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(run)
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path, tmp_path / "other.html")
    assert {p.name for p in tmp_path.iterdir()} == {"report.html"}


@NEEDS_BROWSER
def test_the_cursor_in_a_browser(run, tmp_path):
    """Moving the slider moves the lines and shows the values at that step."""
    text = page(run)
    steer = '<script>slider.value = 2; slider.dispatchEvent(new Event("input"));</script>'
    (tmp_path / "page.html").write_text(text.replace("</body>", steer + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [find_browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    shown = done.stdout
    assert re.search(rf'<output id="step"[^>]*>{int(run.steps[2])}, epoch 2</output>', shown)
    values = re.search(r'data-keys="0">.*?</ul>', shown).group()
    assert re.findall(r"<output[^>]*>([^<]*)<", values) == [
        f"{run.logs[name][2]:.3g}" for name in ("loss", "val_loss")
    ]
    x = {float(v) for v in re.findall(r'class="cursor" x1="([^"]+)"', shown)}
    assert len(x) == 1
    assert x.pop() == pytest.approx(58 + (460 - 12 - 58) * run.steps[2] / run.steps[-1])
    assert '<div class="bar">' in shown


# -- plots --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_plots(run, tmp_path, kind, start):
    pytest.importorskip("matplotlib", reason="it comes with foldnet[report] and foldnet[dev]")
    written = write_plots(run, tmp_path / "figures", kind)
    assert [path.name for path in written] == [f"loss.{kind}", f"01-first.{kind}", f"02--second-.{kind}"]
    for path in written:
        assert path.read_bytes().startswith(start)
        assert path.stat().st_size > 5000


def test_plots_without_matplotlib(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(UnsupportedError, match=r"foldnet\[report\]"):
        write_plots(run, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
    with pytest.raises(ConfigError, match="pdf, svg, png"):
        write_plots(run, tmp_path / "figures", "jpg")
