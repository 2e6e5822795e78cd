"""The page of an explanation, as far as it can be judged without a browser: data, words, markup, size."""

import json
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foldnet import Model, Sequential, freeze, layers
from foldnet.cli import main
from foldnet.errors import InputError
from foldnet.escaping import escaped
from foldnet.insight.explain import Explanation, explain
from foldnet.insight.explain.explanation import Code, Steps, Words
from foldnet.insight.explain.page import page_html
from foldnet.insight.explain.page.histograms import BINS, histograms, training_values
from foldnet.insight.explain.page.markup import data_script, tag
from foldnet.insight.explain.page.numbers import CHANNELS, ROWS, numbers_of
from foldnet.insight.explain.page.picture import DOWN, HEIGHT, network_svg
from foldnet.insight.explain.page.sections import layer_pages
from foldnet.insight.explain.page.tensor import key_of, views_of
from foldnet.insight.explain.sharing import axes_of, is_normalization, sharing, sharing_blocks, with_axis
from foldnet.insight.sites import sites_of
from tests.insight.explain.page_networks import HOSTILE, branches, rows
from tests.insight.insight_networks import STACKS, fill, images, iris, q2

VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """A page as a browser reads it: its elements with their attributes and words; checks that tags are paired."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._open, self._script = [], [], [], ""
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        assert len(dict(attributes)) == len(attributes)
        if name not in VOID:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, text):
        if self._open and self._open[-1] == "script":
            self._script = text
            if self.elements[-1][1].get("id") == "data":
                self.data = json.loads(text)
        elif not (self._open and self._open[-1] == "style"):
            self.words.append(text)

    def find(self, name, **wanted):
        return [a for n, a in self.elements if n == name and all(a.get(k) == v for k, v in wanted.items())]


def normalized(shape, layer):
    return fill(Sequential([layers.Input(shape), layer], name="one"))


def one_of_each(rank):
    """A normalization of every kind that takes this rank, by its name."""
    last = rank - 1
    return [
        layers.BatchNormalization(name="bn"),
        layers.BatchNormalization(axis=list(range(1, rank)), name="every"),
        layers.LayerNormalization(name="ln"),
        layers.LayerNormalization(axis=1, rms_scaling=True, name="scaled"),
        layers.GroupNormalization(2, name="gn"),
        layers.GroupNormalization(-1, axis=last, name="instance"),
        layers.RMSNormalization(name="rms"),
        layers.UnitNormalization(name="unit"),
        layers.Normalization(name="data"),
        layers.Normalization(axis=None, name="whole"),
    ]


class TestSharing:
    @pytest.mark.parametrize("rank", [2, 3, 4, 5])
    def test_values_of_one_number_are_those_that_change_together(self, rank):
        """Judged by the engines: moving one value moves the training result of the values it shares with."""
        shape = {2: (None, 4), 3: (None, 3, 6), 4: (None, 3, 2, 4), 5: (None, 2, 3, 2, 2)}[rank]
        for layer in one_of_each(rank):
            if isinstance(layer, layers.Normalization):
                continue  # nothing of the batch moves its statistics
            model = normalized(shape[1:], layer)
            view = views_of(layer, shape)[0]
            assert view.drawn[1:] == shape[1:]
            numbers = np.array(view.choices[key_of(axes_of(layer, rank))].groups).reshape(view.drawn)
            x = rows(model, view.drawn[0])
            before = np.asarray(model(x, training=True))
            for place in list(product(*map(range, view.drawn)))[:: numbers.size // 5]:
                moved = x.copy()
                moved[place] += 5
                changed = np.asarray(model(moved, training=True)) != before
                alike = numbers == numbers[place]
                assert not changed[~alike].any(), layer.name
                if alike.sum() > 2:  # two values are normalized to −1 and 1, whatever they are
                    assert changed[alike].all(), layer.name

    @pytest.mark.parametrize("rank", [2, 3, 4, 5])
    def test_the_numpy_lines_of_every_choice_compute_the_layer_of_that_axis(self, rank):
        shape = (None, 4, 2, 6, 4)[:rank]
        for layer in one_of_each(rank):
            normalized(shape[1:], layer)
            for view in views_of(layer, shape):
                for key, choice in view.choices.items():
                    code = [b for b in choice.text if isinstance(b, Code)]
                    assert bool(choice.groups) == bool(code), (layer.name, key)
                    if not code:
                        continue
                    axes = [int(a) for a in key.split(",") if a]
                    other = with_axis(layer, axes, view.shape)
                    x = layers.Input(view.shape[1:])
                    model = fill(Model(x, other(x)), seed=3)
                    data = rows(model, 5)
                    scope = {"np": np, "x": data.astype(float), **other.named_weights}
                    exec("\n".join(code[0].lines), scope)
                    # BatchNormalization's lines are of training, the others' of both.
                    right = np.asarray(other(data, training=True))
                    np.testing.assert_allclose(
                        scope["y"], right, rtol=2e-4, atol=2e-4, err_msg=str((layer, key))
                    )

    def test_every_list_of_axes_can_be_chosen_or_says_why_not(self):
        model = images()
        (view, other) = views_of(model.get_layer("first"), (None, 3, 4, 2))
        assert (view.layout, other.layout) == ("channels_first", "channels_last")
        assert set(view.choices) == {"", "1", "2", "3", "1,2", "1,3", "2,3", "1,2,3"}
        assert view.choices[""].groups == ()
        assert "at least one" in view.choices[""].text[0].text
        assert len(set(view.choices["1,2,3"].groups)) == 3 * 4 * 2
        assert "shape (1, 3, 4, 2)" in view.choices["1,2,3"].text[1].text
        assert other.shape == (None, 4, 2, 3)
        assert "StandardScaler" in view.choices["1,2,3"].text[-1].text
        free = normalized((None, 3), layers.BatchNormalization(name="bn")).get_layer("bn")
        refused = views_of(free, (None, None, 3))[0].choices["1"]
        assert refused.groups == ()
        assert "known sizes" in refused.text[0].text

    def test_the_words_are_those_of_the_terminal(self):
        model = iris()
        bn = model.get_layer("bn")
        said = explain(model).section("bn").blocks
        for block in views_of(bn, (None, 4))[0].choices["1"].text:
            assert block in said

    @pytest.mark.parametrize("axis", [1, -1, [1, 2, 3]])
    @pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
    def test_the_layout_is_that_of_the_layers_around(self, axis, data_format, tmp_path):
        """Not what the axis would suggest: the wrong one is that of pixels."""
        conv = layers.Conv2D(3, 1, data_format=data_format)
        model = Sequential([layers.Input((3, 4, 3)), conv, layers.BatchNormalization(axis=axis, name="bn")])
        said = explain(model, layer="bn")
        (page,) = layer_pages(said.source)
        first = data_format == "channels_first"
        assert next(iter(page.data["views"])) == data_format
        assert page.data["views"][data_format]["axes"] == (
            ["1: channels (3)", "2: height (4)", "3: width (3)"]
            if first
            else ["1: height (3)", "2: width (4)", "3: channels (3)"]
        )
        words = [b.text for b in said.section("bn").blocks if isinstance(b, Words)]
        key = key_of(axes_of(model.layers[-1], 4))
        for text in page.data["views"][data_format]["choices"][key]["text"]:
            assert isinstance(text, list) or text in words
        drawn = "3 channels × 4 height × 3 width" if first else "3 height × 4 width × 3 channels"
        assert drawn in said._repr_html_()

    def test_groups_and_their_rule(self):
        bn = normalized((4, 3), layers.BatchNormalization(axis=[1, 2])).layers[-1]
        assert sharing(bn, (None, 4, 3)).statistic((5, 2, 1)) == (2, 1)
        gn = normalized((2, 6), layers.GroupNormalization(3)).layers[-1]
        assert sharing(gn, (None, 2, 6)).statistic((5, 1, 3)) == (5, 1)
        assert not is_normalization(layers.Dense(2))
        assert sharing_blocks(layers.Dense(2), (None, 2)) == []


class TestNumbers:
    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_they_are_those_of_the_terminal(self, data):
        rank = data.draw(st.integers(2, 4))
        shape = tuple(data.draw(st.integers(1, 3)) for _ in range(rank - 1))
        axes = sorted(data.draw(st.sets(st.integers(1, rank - 1), min_size=1)))
        model = normalized(
            shape, layers.BatchNormalization(axis=axes if len(axes) > 1 else axes[0], name="bn")
        )
        layer = model.get_layer("bn")
        count = data.draw(st.integers(1, 40))
        x = rows(model, count)
        row, channel = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, layer.gamma.size - 1))
        steps = [
            b
            for b in explain(model, x, row=row, channel=channel).section("bn").blocks
            if isinstance(b, Steps)
        ]
        numbers = numbers_of(layer, x, row, channel)
        assert [numbers.steps(t, numbers.row, numbers.channel) for t in numbers.trails] == steps

    @pytest.mark.parametrize("rank", [2, 3, 4])
    def test_they_end_at_the_prediction(self, rank):
        shape = (*(4, 2, 6)[: rank - 2], 4)
        for layer in one_of_each(rank):
            model = normalized(shape, layer)
            x = rows(model, 6)
            right = freeze(model, fold=False, engine="reference")(x)
            numbers = numbers_of(layer, x)
            axes = axes_of(layer, rank)
            for i, j in product(range(len(numbers.rows)), range(len(numbers.channels))):
                at = np.unravel_index(numbers.channels[j], [x.shape[a] for a in axes]) if axes else ()
                spot = dict(zip(axes, at, strict=True))
                last = numbers.steps(numbers.trails[-1], i, j).steps[-1][1].replace("−", "-")
                value = right[(i, *(spot.get(a, 0) for a in range(1, rank)))]
                assert float(last) == pytest.approx(value, rel=1e-3, abs=1e-4), (layer.name, i, j)

    def test_what_was_asked_for_is_there_however_much_there_is(self):
        model = normalized((CHANNELS + 20,), layers.BatchNormalization(name="bn"))
        x = rows(model, 500)
        numbers = numbers_of(model.get_layer("bn"), x, 444, CHANNELS + 3)
        assert numbers.rows[numbers.row] == 444
        assert numbers.channels[numbers.channel] == CHANNELS + 3
        assert numbers.x[numbers.row, numbers.channel] == x[444, CHANNELS + 3]
        assert (len(numbers.rows), len(numbers.channels)) == (ROWS, CHANNELS)
        assert "24 of 500 rows and 48 of 68 channels" in numbers.note

    def test_what_is_not_finite_can_be_stored(self):
        model = normalized((2,), layers.BatchNormalization(name="bn"))
        numbers = numbers_of(model.get_layer("bn"), np.array([[np.nan, np.inf], [1, 2]]))
        stored = json.loads(json.dumps(numbers.data(), allow_nan=False))
        assert stored["x"] == [["nan", "inf"], [1, 2]]
        assert numbers.steps(numbers.trails[1], 0, 1).steps[-1][1] in ("inf", "−inf")

    def test_a_frozen_layer_has_one_way(self):
        model = normalized((2,), layers.BatchNormalization(name="bn", trainable=False))
        assert len(numbers_of(model.get_layer("bn"), np.ones((2, 2))).trails) == 1


class TestHistograms:
    def test_training_is_the_batch_and_leaves_the_network_alone(self):
        model = q2()
        x = rows(model, 200) * 3
        before = model.get_weights()
        explanation = explain(model, x)
        values, why = training_values(explanation.source)
        assert why == ""
        for old, new in zip(before, model.get_weights(), strict=True):
            assert np.array_equal(old, new)
        names = [layer.name for layer in model.layers]
        dropped = next(n for n in names if n.startswith("dropout"))
        dense = next(n for n in names if n.startswith("dense"))
        norm = next(n for n in names if n.startswith("batch"))
        kept = values[dropped] != 0
        assert np.allclose(values[dropped][kept] * 0.7, values[dense][kept])
        assert 0.2 < 1 - kept.sum() / (values[dense] != 0).sum() < 0.4
        layer = model.get_layer(norm)
        mean, variance = values[dropped].mean(0), values[dropped].var(0)
        right = (values[dropped] - mean) / np.sqrt(variance + layer.epsilon) * layer.gamma + layer.beta
        assert np.allclose(values[norm], right)
        again, _ = training_values(explain(model, x).source)
        assert all(np.array_equal(values[k], again[k]) for k in values)

    @given(
        st.lists(st.floats(width=64), min_size=1, max_size=30),
        st.lists(st.floats(width=64), min_size=1, max_size=30),
    )
    def test_every_finite_value_is_counted_once(self, a, b):
        left, right = histograms(np.array(a), np.array(b))
        for values, spread in ((a, left), (b, right)):
            assert sum(spread.counts) == sum(abs(v) < 1e150 for v in values)
            assert len(spread.counts) == BINS
            if not sum(spread.counts):
                assert spread.words == "no finite value"
            else:
                assert ("not finite" in spread.words) == (sum(spread.counts) < len(values))
        assert (left.low, left.high) == (right.low, right.high)

    def test_bins(self):
        left, right = histograms(None, np.array([0.0, 0, 1, 2.8]))
        assert left is None
        assert [i for i, c in enumerate(right.counts) if c] == [0, 10, 27]
        assert right.counts[0] == 2
        assert "50% zeros" in right.words


class TestPicture:
    def test_boxes_do_not_overlap_and_arrows_go_down(self):
        svg = Page(network_svg(sites_of(branches())))
        boxes = [(float(a["x"]), float(a["y"]), float(a["width"])) for a in svg.find("rect")]
        assert len(boxes) == len(sites_of(branches()))
        for (x, y, w), (u, v, _) in product(boxes, boxes):
            assert (x, y) == (u, v) or abs(y - v) >= HEIGHT or abs(x - u) >= w
        arrows = svg.find("path")
        assert len(arrows) == sum(len(s.operands) for s in sites_of(branches()))

        def joins(arrow):
            """The middles of the lower edge and of the upper edge that it joins."""
            x, y = re.search(r"M([-\d.]+) ([-\d.]+)", arrow["d"]).groups()
            u, v = re.search(r"L([-\d.]+) ([-\d.]+)", arrow["d"]).groups()
            return float(x), float(y) - HEIGHT, float(u), float(v)

        sites = sites_of(branches())
        at = {site.output: (x + w / 2, y) for site, (x, y, w) in zip(sites, boxes, strict=True)}
        wanted = {(*at[value], *at[site.output]) for site in sites for value in site.operands}
        assert {joins(arrow) for arrow in arrows} == wanted

    def test_arrows_pass_no_box(self):
        sites = sites_of(branches())
        svg = Page(network_svg(sites))
        boxes = [(float(a["x"]), float(a["y"]), float(a["width"])) for a in svg.find("rect")]
        for arrow in svg.find("path"):
            ends = [float(y) for y in re.findall(r"M[-\d.]+ ([\d.]+)", arrow["d"])]
            ranks = (ends[1] + 6 - ends[0] + HEIGHT) / (HEIGHT + DOWN)
            assert arrow["d"].count("C") == ranks  # it goes round the boxes of every rank between
            assert arrow["d"].count("V") == ranks - 1
            for x, to in re.findall(r" ([\d.]+) [\d.]+V([\d.]+)", arrow["d"]):
                for left, top, width in boxes:
                    beside = not left < float(x) < left + width
                    assert beside or not top < float(to) - HEIGHT / 2 < top + HEIGHT

    def test_long_names_are_cut_and_whole_in_the_title(self):
        x = layers.Input((2,), name="n" * 90)
        svg = network_svg(sites_of(Model(x, layers.Dense(1)(x))))
        assert f">{'n' * 21}…<" in svg
        assert f"{'n' * 90}: InputLayer" in svg


class TestPage:
    @pytest.mark.parametrize("make", [*STACKS.values(), branches])
    @pytest.mark.parametrize("with_rows", [False, True])
    def test_it_is_well_formed_and_complete(self, make, with_rows):
        model = make()
        x = None
        if with_rows:
            x = rows(model) if make is not STACKS["words"] else np.arange(21).reshape(7, 3) % 20
        said = explain(model, x)
        page = Page(page_html(said))
        ids = [a["id"] for _, a in page.elements if "id" in a]
        assert len(ids) == len(set(ids))
        for link in page.find("a"):
            assert link["href"].removeprefix("#") in ids
        text = " ".join(page.words)
        assert text.count("In training") >= len(said.sections)
        count = sum(is_normalization(s.layer) for s in said.source.sites)
        assert len(page.find("div", **{"class": "sharing"})) == count
        assert len(page.find("div", **{"class": "numbers"})) == count * with_rows
        assert len(page.find("svg", **{"class": "histogram"})) == 2 * len(said.sections) * with_rows
        assert "Parameters" in text
        for _, attributes in page.elements:
            assert not {"src", "onclick", "onerror"} & set(attributes)
            assert not [v for k, v in attributes.items() if k != "content" and "://" in str(v)]

    def test_names_out_of_the_file_stay_text(self):
        page = Page(page_html(explain(branches(), rows(branches()))))
        assert page.find("img") == []
        assert any(HOSTILE in words for words in page.words)
        assert len(page.find("script")) == 2
        assert HOSTILE in explain(branches())._repr_html_().replace("&lt;", "<").replace("&gt;", ">").replace(
            "&#x27;", "'"
        )
        assert "<img" not in explain(branches())._repr_html_()

    @given(st.text())
    @example(HOSTILE)
    @example("<!--<script>")
    def test_any_text_survives_as_text(self, text):
        page = Page(tag("p", text, title=text) + data_script("data", [text]))
        assert page.data == [text]
        assert page.elements[0][1] == {"title": escaped(text)}
        assert data_script("data", [text]).count("<") == 2

    def test_it_is_small_and_the_same_every_time(self, tmp_path):
        model, x = q2(), None
        x = rows(model, 1599)
        first = explain(model, x).to_html(tmp_path / "a.html")
        second = explain(model, x).to_html(tmp_path / "b.html")
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size < 300_000
        assert explain(model, x).to_html(first) == first  # its own page may be replaced

    def test_it_counts(self):
        text = " ".join(Page(page_html(explain(q2()))).words)
        assert "4 × 10 channels: gamma, beta, moving_mean, moving_variance" in text
        assert "kernel 11 × 10 + bias 10" in text
        assert "So 4 × 10 = 40 parameters, 20 not trainable." in text

    def test_a_foreign_file_is_left_alone(self, tmp_path):
        path = tmp_path / "mine.html"
        path.write_text("mine")
        with pytest.raises(FileExistsError, match="not written by foldnet"):
            explain(iris()).to_html(path)
        assert path.read_text() == "mine"

    def test_one_layer(self):
        page = Page(page_html(explain(iris(), layer="bn")))
        assert len(page.find("section")) == 2  # the layer, and the parameters
        assert len(page.find("a", href="#layer-0")) == 1

    def test_what_cannot_train_says_so(self):
        class Odd(layers.Layer):
            """Adds one."""

            def lower(self, b, *inputs):
                from foldnet.errors import UnsupportedError

                if b.trains:
                    raise UnsupportedError("it does not train")
                return inputs[0]

        x = layers.Input((2,))
        text = page_html(explain(Model(x, Odd()(x)), np.ones((2, 2))))
        assert "There is no training mode to show: it does not train" in text

    def test_only_what_explain_made_can_be_drawn(self):
        with pytest.raises(InputError, match="explain made"):
            page_html(Explanation("by hand", ()))
        assert "by hand" in Explanation("by hand", ())._repr_html_()


class TestCommand:
    @pytest.fixture
    def stored(self):
        return Path(__file__).resolve().parents[3] / "data" / "models" / "wine.keras"

    def run(self, *arguments):
        return CliRunner().invoke(main, ["explain", *map(str, arguments)])

    def test_it_writes_the_page(self, stored, tmp_path):
        out = tmp_path / "wine.html"
        done = self.run(stored, "--html", out)
        assert done.exit_code == 0
        assert f"Wrote {out}" in done.output
        assert out.read_text() == page_html(explain(stored))

    def test_with_data_and_as_json(self, stored, tmp_path):
        table, out = tmp_path / "x.npy", tmp_path / "wine.html"
        x = np.random.default_rng(0).normal(5, 3, (30, 11)).astype(np.float32)
        np.save(table, x)
        done = self.run(stored, "--data", table, "--row", 3, "--html", out, "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["sections"]
        page = Page(out.read_text())
        chosen = [a["value"] for a in page.find("option") if "selected" in a]
        assert chosen == ["3", "0"] * 3
        assert out.stat().st_size < 300_000

    def test_a_foreign_file_is_refused(self, stored, tmp_path):
        out = tmp_path / "mine.html"
        out.write_text("mine")
        done = self.run(stored, "--html", out)
        assert done.exit_code == 2
        assert "does not overwrite it" in " ".join(done.output.split())


class TestNotebook:
    def test_the_fragment_leaks_nothing(self):
        said = explain(branches(), rows(branches()))
        page = Page(said._repr_html_())
        assert not page.find("style")
        assert not page.find("script")
        assert len(page.find("details")) == len(said.sections) + 2  # the picture, and the code
        assert len([a for a in page.find("details") if "open" in a]) == 1
        assert not [a for _, a in page.elements if "id" in a]
        fills = {a["fill"] for a in page.find("rect") if "hsl" in a.get("fill", "")}
        assert len(fills) > 2
