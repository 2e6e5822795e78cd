"""A layer's name that a terminal would obey comes out as escapes, wherever it comes out."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import foldnet
from foldnet.cli import main
from foldnet.errors import LONGEST, ConfigError, FoldnetError
from foldnet.escaping import escaped, escaped_html, escaped_name
from foldnet.insight.watch.report.page import page
from foldnet.insight.watch.run_files import read_run
from foldnet.layers import BatchNormalization, Dense, Input
from foldnet.network import Model

EVIL = "evil\x1b[2J\x1b]0;title\x07\x9b31m\u202e\rname"
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    x = Input((4,), name=f"in {EVIL}")
    y = BatchNormalization(name=f"bn {EVIL}")(Dense(3, name=f"dense {EVIL}")(x))
    model = Model(x, [Dense(2, name=f"out {EVIL}")(y), Dense(1, name=f"other {EVIL}")(y)], name=f"net {EVIL}")
    bn = model.layers[2]
    bn.set_weights([rng.normal(size=3) + 2, rng.normal(size=3), rng.normal(size=3), rng.uniform(1, 2, 3)])
    return model


def clean(text):
    bad = sorted({c for c in text if not c.isprintable() and c not in "\n\t"})
    assert not bad, f"{bad} in {text[:500]!r}"
    assert "evil" in text
    return text


X = rng.normal(size=(30, 4)).astype("float32")
Y = [rng.normal(size=(30, 2)).astype("float32"), rng.normal(size=(30, 1)).astype("float32")]


def test_texts(network, capsys):
    network.summary()
    clean(capsys.readouterr().out)
    explanation = foldnet.explain(network, X)
    clean(explanation.text())
    clean(str(explanation))
    clean(explanation._repr_html_())
    clean(foldnet.doctor(network, X).text())
    clean(foldnet.verify(foldnet.freeze(network, engine="reference"), network, X).text() + " evil")
    for layer in network.layers:
        clean(repr(layer))
    for weight in network.weights:
        clean(repr(weight))
    clean(repr(network))


def test_pages(network, tmp_path):
    foldnet.explain(network, X).to_html(tmp_path / "x.html")
    clean((tmp_path / "x.html").read_text())


def test_training(network, tmp_path, capsys):
    copy = foldnet.models.clone_model(network)
    copy.compile("sgd", "mse")
    monitor = foldnet.callbacks.NormalizationMonitor(tmp_path / "run")
    copy.fit(X, Y, verbose=2, epochs=1, callbacks=[monitor])
    clean(capsys.readouterr().out)
    clean(page(read_run(tmp_path / "run")))
    clean(foldnet.recalibrate(copy, X).text())


def test_errors(network):
    for wrong in (
        lambda: network.get_layer("x"),
        lambda: network.predict(X[:, :3]),
        lambda: network.layers[1].build((None, 7)),
    ):
        with pytest.raises(FoldnetError) as caught:
            wrong()
        clean(str(caught.value) + " evil")


def test_commands(network, tmp_path):
    network.save(tmp_path / "x.keras")
    np.save(tmp_path / "x.npy", X)
    data = ["--data", str(tmp_path / "x.npy")]
    for command in (["summary"], ["explain"], ["doctor"], ["predict", *data], ["summary", "--json"]):
        name, *rest = command
        done = CliRunner().invoke(main, [name, str(tmp_path / "x.keras"), *rest])
        clean(done.output + "evil")


def test_long_messages():
    for text in ("x" * 5000, "\x1b" * 5000, "é" * 5000):
        assert len(str(ConfigError(text))) <= LONGEST
    kept = str(ConfigError("start " + "x" * 5000 + " end"))
    assert kept.startswith("start ")
    assert kept.endswith(" end")
    assert str(ConfigError("two\nlines")) == "two\nlines"


def test_helpers():
    assert escaped("a\x1b\n\ud800é") == "a\\x1b\n\\ud800é"
    assert escaped_name("a\nb\\") == "a\\nb\\"
    assert escaped_html("<\x07>") == "&lt;\\x07&gt;"
