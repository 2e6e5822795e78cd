"""The page in a real browser: what clicks and keys change, and that nothing is loaded.

These tests need a Chromium; where there is none they are skipped, which the summary says, unless
FOLDNET_REQUIRE_BROWSER is set: then its absence is a failure.
"""

import json

import numpy as np
import pytest

from foldnet import Model, layers
from foldnet.insight.explain import explain
from foldnet.insight.explain.explanation import Code, Steps, Words
from foldnet.insight.explain.normalization import number
from foldnet.insight.explain.page.tensor import key_of, views_of
from tests.insight.explain.page_networks import branches, rows
from tests.insight.insight_networks import fill, images, q2
from tests.support.browser import NEEDS_BROWSER, Browser, find_browser

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert find_browser(), "FOLDNET_REQUIRE_BROWSER is set, and there is no Chromium"
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of three networks, and the rows that they are of."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, model in (("q2", q2()), ("images", images()), ("branches", branches())):
        x = rows(model, 60)
        made[name] = (explain(model, x).to_html(folder / f"{name}.html"), model, x)
    return made


def section(name):
    """A JavaScript expression for the section of a layer."""
    named = f"s.querySelector('h2 span')?.textContent === {json.dumps(name)}"
    return f"[...document.querySelectorAll('section')].find(s => {named})"


def colours(browser, where):
    """The colours that are seen, and the numbers in the cells of the picture that is shown."""
    cells = f"[...[...({where}).querySelectorAll('[data-layout]')].find(e => e.offsetParent).querySelectorAll('g')]"
    return browser.run(f"{cells}.map(g => [getComputedStyle(g.firstChild).fill, g.lastChild.textContent])")


def text(browser, where, selector):
    return browser.run(f"({where}).querySelector({selector!r}).innerText")


def axis_box(where, axis):
    return f"({where}).querySelector('input[value=\"{axis}\"]')"


def shown_as(choice, view):
    """What the page should show of a choice."""
    said = []
    for block in choice.text:
        said += [block.text] if isinstance(block, Words) else [block.title, "\n".join(block.lines)]
        assert isinstance(block, Words | Code)
    return [str(g) for g in choice.groups] or [""] * int(np.prod(view.drawn)), said


def judge(browser, where, view, key):
    """The picture and the words are those of a choice; cells have one colour exactly when they have one number."""
    numbers, said = shown_as(view.choices[key], view)
    seen = colours(browser, where)
    assert [n for _, n in seen] == numbers
    pairs = set(map(tuple, seen))
    assert len(pairs) == len({c for c, _ in pairs}) == len(set(numbers))
    read = browser.run(f"[...({where}).querySelector('.said').children].map(e => e.textContent)")
    assert read == said
    assert text(browser, where, ".axis") == view.choices[key].axis


def test_choosing_axes_redraws_the_picture_and_changes_the_words(browser, pages):
    path, model, _ = pages["images"]
    browser.open(path)
    where = section("first")
    first, last = views_of(model.get_layer("first"), (None, 3, 4, 2))
    judge(browser, where, first, "1")
    browser.click(axis_box(where, 3))
    judge(browser, where, first, "1,3")
    browser.click(axis_box(where, 2))
    judge(browser, where, first, "1,2,3")
    assert "Only the batch is averaged over" in text(browser, where, ".said")
    for axis in (1, 2, 3):
        browser.click(axis_box(where, axis))
    judge(browser, where, first, "")
    assert "choose at least one" in text(browser, where, ".said")
    browser.click(axis_box(where, 1))
    before = browser.run(f"({where}).querySelector('fieldset').innerText")
    assert "1: channels (3)" in before
    browser.run(f"({where}).querySelector('.layout').focus()")
    browser.press("ArrowDown")
    assert "1: height (4)" in browser.run(f"({where}).querySelector('fieldset').innerText")
    assert text(browser, where, ".shape") == "(rows, 4, 2, 3)"
    judge(browser, where, last, "1")
    browser.click(f"({where}).querySelector('.reset')")
    judge(browser, where, first, "1")
    assert browser.run(f"({where}).querySelector('fieldset').innerText") == before
    assert browser.complaints() == []


def test_every_choice_of_every_normalization_is_shown_as_it_was_worked_out(browser, pages):
    for path, model, _ in (pages["images"], pages["branches"]):
        browser.open(path)
        for site in explain(model).source.sites:
            if not browser.run(f"({section(site.path)}).querySelector('.sharing') !== null"):
                continue
            where = section(site.path)
            for view in views_of(site.layer, site.input_shapes[0]):
                browser.run(
                    f"(() => {{ const s = ({where}).querySelector('.layout');"
                    f"if (s) {{ s.value = {view.layout!r}; s.dispatchEvent(new Event('change')); }} }})()"
                )
                for key in view.choices:
                    browser.run(
                        f"({where}).querySelectorAll('input').forEach(b => {{"
                        f"b.checked = {key.split(',')}.includes(b.value); b.dispatchEvent(new Event('change')); }})"
                    )
                    judge(browser, where, view, key)


def test_row_and_channel_change_the_numbers_to_those_of_the_terminal(browser, pages):
    path, model, x = pages["q2"]
    browser.open(path)
    name = next(layer.name for layer in model.layers if layer.name.startswith("batch"))
    where = section(name)
    for row, channel in ((0, 0), (7, 3), (23, 9)):
        for selector, value in ((".row", row), (".channel", channel)):
            browser.run(
                f"(() => {{ const s = ({where}).querySelector('{selector}'); s.value = {value};"
                "s.dispatchEvent(new Event('change')); })()"
            )
        blocks = explain(model, x, row=row, channel=channel).section(name).blocks
        wanted = [[b.title, *(f"{a} → {c}" for a, c in b.steps)] for b in blocks if isinstance(b, Steps)]
        read = browser.run(
            f"[...({where}).querySelectorAll('.trail')]"
            ".map(t => [...t.querySelectorAll('p, li')].map(e => e.textContent))"
        )
        assert read == wanted
    browser.run(f"({where}).querySelector('.row').focus()")
    before = text(browser, where, ".numbers")
    browser.press("ArrowUp")
    assert browser.run("document.activeElement.value") == "22"
    assert text(browser, where, ".numbers") != before


def test_numbers_are_written_as_python_writes_them(browser, pages):
    browser.open(pages["q2"][0])
    generator = np.random.default_rng(0)
    values = [float(v) for v in generator.normal(size=300) * 10.0 ** generator.integers(-12, 12, 300)]
    values += [0.0, -0.0, 1.0, -2.0, 9999.5, 99995.0, 12345.0, -12355.0, 0.5, 100.0, 1000.0, 1e100, 5e-324]
    values += [
        0.00012345,
        0.000099999,
        0.09375,
        1.0625,
        1.00048828125,
        2.0**-20,
        2.5e-5,
        1 / 3,
        2 / 3,
        1000.5,
    ]
    assert browser.run(f"{values!r}.map(number)") == [number(v) for v in values]
    assert browser.run("[NaN, Infinity, -Infinity].map(number)") == ["nan", "inf", "−inf"]


def test_the_cursor_over_the_values(browser, pages):
    path, model, _ = pages["images"]
    browser.open(path)
    where = section("first")
    (view, _) = views_of(model.get_layer("first"), (None, 3, 4, 2))
    groups = view.choices["1"].groups
    browser.run(f"({where}).querySelector('.tensor').focus()")
    cells = f"({where}).querySelectorAll('[data-layout]:not([hidden]) g')"
    alike = f"[...{cells}].map(g => g.classList.contains('same'))"
    way = (
        ("ArrowRight", "0, 0, 0, 0"),
        ("ArrowRight", "0, 0, 0, 1"),
        ("ArrowDown", "0, 0, 1, 1"),
        ("ArrowRight", "0, 1, 1, 0"),
        ("ArrowUp", "0, 1, 0, 0"),
        ("ArrowLeft", "0, 0, 0, 1"),
    )
    for key, place in way:
        browser.press(key)
        said = text(browser, where, ".readout")
        assert f"x[{place}] uses" in said
        at = np.ravel_multi_index(tuple(map(int, place.split(", "))), view.drawn)
        assert browser.run(alike) == [g == groups[at] for g in groups]
        assert f"which {groups.count(groups[at])} of the {len(groups)} values" in said
    browser.press("Escape")
    assert not any(browser.run(alike))
    browser.click(f"{cells}[30]")
    assert browser.run(alike) == [g == groups[30] for g in groups]


FOCUSED = """
(() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const box = e.querySelector(".box");
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const framed = box && parseFloat(getComputedStyle(box).strokeWidth) >= 2;
  const label = e.ariaLabel || (e.labels && e.labels[0] && e.labels[0].innerText) || e.textContent;
  return [e.tagName, label.trim() !== "", outlined || framed];
})()
"""


def test_it_can_be_used_by_keys_alone(browser, pages):
    browser.open(pages["images"][0])
    seen = []
    for _ in range(60):
        browser.press("Tab")
        name, labelled, visible = browser.run(FOCUSED)
        if name in ("BODY", "HTML"):
            break
        seen.append(name)
        assert labelled, f"{name} has no label"
        assert visible, f"{name} does not show its focus"
    assert seen[0] == "A"  # past the picture, straight to the layers
    assert {"A", "a", "BUTTON", "INPUT", "SELECT", "DIV"} <= set(seen)
    assert seen.index("BUTTON") < seen.index("a") < seen.index("INPUT")
    browser.open(pages["images"][0])
    browser.run("document.querySelector('#theme').focus()")
    browser.press(" ")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    browser.run(f"{axis_box(section('first'), 2)}.focus()")
    browser.press(" ")
    assert text(browser, section("first"), ".axis") == "[1, 2]"
    browser.run("document.querySelectorAll('nav a')[3].focus()")
    browser.press("Enter")
    assert browser.run("location.hash") == "#layer-3"


def test_light_and_dark(browser, pages):
    def look():
        return browser.run(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
            "document.querySelector('#theme').ariaPressed]"
        )

    browser.open(pages["q2"][0])
    light = look()
    assert light[2] == "false"
    browser.click("document.querySelector('#theme')")
    dark = look()
    assert dark[2] == "true"
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    browser.click("document.querySelector('#theme')")
    assert look() == light
    browser.open(pages["q2"][0], dark=True)
    assert look() == dark
    browser.click("document.querySelector('#theme')")
    assert look() == light


CONTRAST = """
(() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const l = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * l(r) + 0.7152 * l(g) + 0.0722 * l(b);
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c[3] !== 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.offsetParent && e.tagName !== "text") continue;
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || e.closest(".skip")) continue;
    const svg = e.tagName === "text";
    const box = svg && e.parentElement.querySelector("rect");
    if (svg && !box.getClientRects().length) continue;
    const r = svg ? ratio(parse(getComputedStyle(e).fill), parse(getComputedStyle(box).fill))
                  : ratio(parse(getComputedStyle(e).color), behind(e));
    if (r < 4.5) found.push([e.tagName, e.textContent.slice(0, 30), r]);
  }
  return found;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["q2", "images", "branches"])
def test_text_can_be_read_on_its_ground(browser, pages, name, dark):
    browser.open(pages[name][0], dark=dark)
    assert browser.run(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 400, 768, 1024, 1600])
@pytest.mark.parametrize("name", ["q2", "images", "branches"])
def test_nothing_sticks_out_sideways(browser, pages, name, width):
    browser.open(pages[name][0], width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_nothing_is_loaded_and_nothing_of_the_file_runs(browser, pages):
    for path, _, _ in pages.values():
        browser.open(path)
        assert browser.requests() == [path.as_uri()]
        assert browser.complaints() == []
    path, _, _ = pages["branches"]
    assert browser.run("document.title") != "caught"
    assert browser.run("document.images.length") == 0
    # Were something to get in after all, the page's own policy stops it.
    browser.run("""
      const image = '<img src="https://example.invalid/x" onerror="document.title=1">';
      document.body.insertAdjacentHTML('beforeend', image);
      const script = document.createElement('script');
      script.textContent = 'document.title = 2';
      document.body.append(script);
    """)
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert browser.run("document.title").startswith("Model")


def test_what_is_not_finite_is_followed_all_the_same(browser, tmp_path):
    model = q2()
    x = rows(model, 3)
    x[1, 2], x[2, 4] = np.nan, np.inf
    name = next(layer.name for layer in model.layers if layer.name.startswith("batch"))
    browser.open(explain(model, x, layer=name).to_html(tmp_path / "odd.html"))
    for row in range(3):
        browser.run(
            f"(() => {{ const s = ({section(name)}).querySelector('.row'); s.value = {row};"
            "s.dispatchEvent(new Event('change')); })()"
        )
        read = browser.run("[...document.querySelectorAll('.trail li')].map(e => e.textContent)")
        steps = [
            b for b in explain(model, x, layer=name, row=row).section(name).blocks if isinstance(b, Steps)
        ]
        assert read == [f"{a} → {c}" for b in steps for a, c in b.steps]


def test_an_oversized_network_stays_usable(browser, tmp_path):
    x = layers.Input((70, 300), name="wide")
    y = layers.BatchNormalization(name="bn")(layers.Dense(300, name="dense")(x))
    model = fill(Model(x, layers.BatchNormalization(axis=[1, 2], name="all")(y), name="big"))
    path = explain(model, rows(model, 26)).to_html(tmp_path / "big.html")
    assert path.stat().st_size < 300_000
    browser.open(path, width=400)
    assert browser.run("document.documentElement.scrollWidth") <= 400
    judge(browser, section("all"), views_of(model.get_layer("all"), (None, 70, 300))[0], key_of((1, 2)))
    assert browser.complaints() == []
