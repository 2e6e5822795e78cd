"""What notebooks show: everything that matters, whole markup, nothing of a file's names unescaped, no script."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from foldnet import Input, Sequential, doctor, freeze, layers, verify
from foldnet.insight.doctor.finding import Finding

HOSTILE = '<script>alert(1)</script>"&\x1b[31m'
VOID = {"br", "meta", "input"}


class Markup(HTMLParser):
    """Fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def model():
    model = Sequential(
        [
            Input((3,)),
            layers.Dense(4, "relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(2, name="last"),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


def hostile():
    model = Sequential([Input((3,), name="in"), layers.Dense(1, "softmax", name="plain")])
    model.layers[0].name = HOSTILE
    model.name = HOSTILE
    return model


X = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)


def shows(model):
    return {
        "model": model,
        "predictor": freeze(model, engine="reference"),
        "right": verify(lambda x: model.predict(x), model, X),
        "wrong": verify(lambda x: model.predict(x) * 2 + 1, model, X, pair_seconds=0),
        "doctor": doctor(model, X),
    }


@pytest.mark.parametrize("kind", ["model", "predictor", "right", "wrong", "doctor"])
def test_it_is_whole_and_escaped(kind):
    text = shows(hostile())[kind]._repr_html_()
    page = Markup(text)
    assert not {"script", "style", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"\son\w+=|javascript:|https?://(?!www\.w3\.org)", text)
    assert text == str(text)


def test_of_a_model(model):
    page = Markup(model._repr_html_())
    for layer in model.layers:
        assert layer.name in page.text
        assert f"{layer.count_params():,}" in page.text
    assert "(rows, 4)" in page.text
    assert "svg" in page.tags
    assert "not built yet" in Sequential([layers.Dense(2)])._repr_html_()


def test_of_a_predictor(model):
    predictor = freeze(model, engine="reference")
    text = Markup(predictor._repr_html_()).text
    assert "reference engine" in text
    assert "(rows, 3)" in text
    assert "(rows, 2)" in text
    for step in predictor.steps():
        assert step.strip().splitlines()[0].split("  ")[0] in unescape(text)


def test_of_verify(model):
    right = Markup(verify(model.predict, model, X)._repr_html_())
    assert "✓ equal" in right.text
    wrong = verify(lambda x: np.round(model.predict(x), 1), model, X)
    text = Markup(wrong._repr_html_()).text
    assert "✗ NOT EQUAL" in text
    assert wrong.diagnoses[0].message in text
    for layer in wrong.layers:
        assert layer.name in text


def test_of_the_doctor():
    report = doctor(hostile())
    text = Markup(report._repr_html_()).text
    assert len(report) > 0
    for finding in report:
        assert f"{finding.severity}: {finding.check}" in text
        assert finding.remedy in text


def test_a_report_is_its_findings():
    report = doctor(hostile())
    assert list(report) == list(report.findings)
    assert len(report) == len(report.findings)
    assert isinstance(report[0], Finding)
    assert report[-1] is report.findings[-1]
    assert report[:1] == report.findings[:1]
    assert not report  # there is an error among them
    assert not report.ok
    healthy = doctor(Sequential([Input((3,)), layers.Dense(2)]), checks=["softmax-one-unit"])
    assert len(healthy) == 0
    assert healthy  # however few: nothing is wrong
    with pytest.raises(IndexError):
        healthy[0]
