"""The page of a network in a real browser, from a web server: form, table, picture, and what the server says of it.

These tests need a Chromium; see ``tests/insight/explain/test_page_browser.py``.
"""

from __future__ import annotations

import functools
import http.server
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import Input, Sequential, layers
from foldnet.export.wasm import to_wasm
from tests.export.export_nets import NETWORKS, randomize
from tests.export.test_c_texts import network as of_texts
from tests.support.browser import NEEDS_BROWSER, Browser, find_browser

pytestmark = [pytest.mark.as_shipped, NEEDS_BROWSER]
NAMES = [f"feature {k}" for k in range(11)]
POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:"
"""What a careful server allows: nothing from elsewhere, no inline scripts, no eval."""
WORKER = """
import { load } from "./net.js";
const predict = await load();
onmessage = ({ data }) => postMessage(predict(data));
postMessage("ready");
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files with a policy; in folders called ``plain`` modules of WebAssembly have no type of their own."""

    def log_message(self, *arguments):
        pass

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def guess_type(self, path):
        if path.endswith(".wasm"):
            return "application/octet-stream" if "plain" in path else "application/wasm"
        return super().guess_type(path)


def pictures(channels, first=False):
    shape = (channels, 6, 5) if first else (6, 5, channels)
    network = Sequential([Input(shape), layers.Flatten(), layers.Dense(4, activation="softmax")])
    return foldnet.freeze(randomize(network, seed=channels))


def free():
    x = Input((None, 2), name="steps")
    return foldnet.freeze(randomize(foldnet.Model(x, layers.LSTM(3)(x))))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = {
        "wine": foldnet.freeze(NETWORKS["wine"]), "lookups": foldnet.freeze(NETWORKS["lookups"]), "grey": pictures(1),
        "first": pictures(3, first=True), "texts": foldnet.freeze(of_texts()), "free": free(),
    }  # fmt: skip
    for name, predict in made.items():
        names = NAMES if name == "wine" else None
        for file in to_wasm(predict, folder / name, name="net", feature_names=names):
            if name == "wine":
                (folder / "plain").mkdir(exist_ok=True)
                (folder / "plain" / file.name).write_bytes(file.read_bytes())
    (folder / "wine" / "worker.js").write_text(WORKER)
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder, made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert find_browser(), "FOLDNET_REQUIRE_BROWSER is set, and there is no Chromium"
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


def waits(browser, script):
    """The value of an expression as soon as it is true."""
    end = time.monotonic() + 120  # long: a busy machine is slow
    while not (found := browser.run(script)):
        assert time.monotonic() < end, browser.run("document.body.innerText")
        time.sleep(0.01)
    return found


def opened(browser, site, name, **settings):
    browser.open(f"{site[0]}/{name}/index.html", **settings)
    waits(browser, "!document.querySelector('#inputs').hidden")
    assert not browser.complaints(), str(browser.complaints())
    assert "recorded rows agree within" in browser.run("document.querySelector('#about').textContent")
    return site[2][name if name in site[2] else "wine"]


def status(browser):
    return browser.run("document.querySelector('#status').textContent")


def table(browser):
    """The cells of the results."""
    rows = "[...document.querySelectorAll('#results tr')].map(r => [...r.children].map(c => c.textContent))"
    return browser.run(rows)


def reset(browser):
    browser.run("document.querySelector('#status').textContent = ''")


def given(browser, section, path):
    """Choose a file, and wait for what the page says of it."""
    reset(browser)
    browser.choose(f"document.querySelector('{section} input')", path)
    waits(browser, "document.querySelector('#status').textContent")
    return status(browser)


@pytest.mark.parametrize("name", ["wine", "plain"])
def test_form(browser, site, name):
    """Also where the server does not know what type such a module has."""
    predict = opened(browser, site, name)
    labels = browser.run("[...document.querySelectorAll('#fields label')].map(l => l.textContent)")
    assert labels == NAMES
    x = np.random.default_rng(0).normal(size=(1, 11)).astype(np.float32)
    browser.run(f"document.querySelectorAll('#fields input').forEach((f, i) => f.value = {x[0].tolist()}[i])")
    browser.click("document.querySelector('#one button')")
    ((label, value),) = table(browser)
    assert label == "prediction"
    assert abs(float(value) - predict(x)[0, 0]) <= 1e-6
    browser.run("document.querySelector('#fields input').focus()")
    browser.run("document.querySelector('#results table').replaceChildren()")
    for _ in range(11):
        browser.press("Tab")
    browser.press("Enter")  # on the button, by keys alone
    assert table(browser) == [[label, value]]
    assert all(url.startswith((site[0], "data:,")) for url in browser.requests())


def test_example_fills_the_form(browser, site):
    opened(browser, site, "wine")
    fields = "[...document.querySelectorAll('#fields input')].map(f => f.value)"
    assert browser.run(fields) == [""] * 11
    browser.click("document.querySelector('#example')")
    first = browser.run(fields)
    assert all(first)
    browser.click("document.querySelector('#example')")
    assert browser.run(fields) != first


def lines(x, by=",", comma=False):
    text = "\n".join(by.join(repr(float(v)) for v in row) for row in x) + "\n"
    return text.replace(".", ",") if comma else text


def test_tables(browser, site, tmp_path):
    predict = opened(browser, site, "wine")
    x = np.random.default_rng(1).normal(size=(5, 11)).astype(np.float32)
    y = predict(x)[:, 0]
    mixed = np.column_stack([x[:, ::-1], np.arange(5)])
    head = ",".join([f'"{name}"' for name in NAMES[::-1]] + ["quality"])
    forms = {
        "plain": lines(x), "tab": lines(x, "\t"), "bom": "\ufeff" + lines(x),
        "semicolon": lines(x, ";", comma=True),
        "named": head + "\r\n" + lines(mixed).replace("\n", "\r\n"),
        "others": ",".join("abcdefghijk") + "\n" + lines(x),
        "counted": ",".join(map(str, range(11))) + "\n" + lines(x),
    }  # fmt: skip
    for name, text in forms.items():
        (tmp_path / f"{name}.csv").write_text(text, newline="")
        said = given(browser, "#many", tmp_path / f"{name}.csv")
        assert said.endswith("5 rows."), (name, said)
        assert ("Not used: quality." in said) == (name == "named")
        assert ("counts the columns" in said) == (name == "counted")
        head, *rows = table(browser)
        assert head == ["row", "prediction"]
        found = np.array([float(row[1]) for row in rows])
        np.testing.assert_allclose(found, y, rtol=0, atol=1e-6, err_msg=name)
    saved = "URL.createObjectURL = (blob) => { window.saved = blob; return 'blob:none'; }"
    browser.run(
        f"{saved}; HTMLAnchorElement.prototype.click = function () {{ window.named = this.download; }}"
    )
    browser.run("document.querySelector('#save').click()")
    assert browser.run("window.named") == "predictions.csv"
    head, *rows = browser.run("window.saved.text()").split()
    assert head == "prediction"
    np.testing.assert_array_equal(np.float32([float(v) for v in rows]), np.float32(found))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the table is empty"),
        ("a,b,c,d,e,f,g,h,i,j,k\n", "the table has no row below its names"),
        ("1,2,3\n", "row 1 has 3 values, expected 11: feature 0, feature 1"),
        (f"{lines(np.ones((1, 11)))}1,2,,4,5,6,7,8,9,10,11\n", 'row 2, feature 2: "" is not a number'),
        (f"{lines(np.ones((1, 11)))}1,2,0x1,4,5,6,7,8,9,10,11\n", 'row 2, feature 2: "0x1" is not a number'),
        (f"{','.join(NAMES)}\n1,2\n", "row 1 has 2 values, and there are 11 columns"),
        ('"1,2,3,4,5,6,7,8,9,10,11\n', "the table ends inside quotes"),
    ],
)
def test_bad_tables_are_named(browser, site, tmp_path, text, says):
    opened(browser, site, "wine")
    (tmp_path / "rows.csv").write_text(text)
    assert given(browser, "#many", tmp_path / "rows.csv").startswith(says)
    assert table(browser) == []
    assert browser.run("document.querySelector('#save').hidden")


def test_several_inputs_integers_and_texts(browser, site, tmp_path):
    predict = opened(browser, site, "lookups")
    (tmp_path / "rows.csv").write_text("1,2,0.5,1.5,-1\n6,0,1,2,3\n")
    assert given(browser, "#many", tmp_path / "rows.csv") == "2 rows."
    y = predict([np.array([[1, 2], [6, 0]]), np.array([[0.5, 1.5, -1], [1, 2, 3]])])
    np.testing.assert_allclose(
        [[float(v) for v in row[1:]] for row in table(browser)[1:]], y, rtol=0, atol=1e-6
    )
    (tmp_path / "bad.csv").write_text("1,2,0.5,1.5,-1\n7,0,1,2,3\n")
    assert given(browser, "#many", tmp_path / "bad.csv").startswith(
        "row 1 has no prediction: an index outside"
    )
    predict = opened(browser, site, "texts")
    (tmp_path / "rows.csv").write_text('red,"a, ""b""",1,2,3,日本語\n')
    assert given(browser, "#many", tmp_path / "rows.csv") == "1 row."
    y = predict([[["red", 'a, "b"']], np.array([[1, 2, 3]]), ["日本語"]])[0]
    np.testing.assert_allclose([float(row[1]) for row in table(browser)], y, rtol=0, atol=4e-6)


def test_rows_of_any_length_are_written_as_lists(browser, site):
    predict = opened(browser, site, "free")
    assert browser.run("[document.querySelector('#many'), document.querySelector('#picture')]") == [
        None,
        None,
    ]
    browser.run("document.querySelector('textarea').value = '[[1, 2], [3, 4], [0.5, -1]]'")
    browser.click("document.querySelector('#one button')")
    y = predict(np.array([[[1, 2], [3, 4], [0.5, -1]]], np.float32))[0]
    np.testing.assert_allclose([float(row[1]) for row in table(browser)], y, rtol=0, atol=1e-6)
    for text, says in (("[[1, 2], [3]]", 'input "steps" has 1 values at [0][1], and not 2'), ("[[1, 2", "")):
        browser.run(f"document.querySelector('textarea').value = '{text}'")
        browser.click("document.querySelector('#one button')")
        assert status(browser).startswith(says)
        assert table(browser) == []


def png(path, pixels):
    """Write a picture of uint8 numbers (height, width, 4)."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize("name", ["grey", "first"])
def test_pictures(browser, site, tmp_path, name):
    predict = opened(browser, site, name)
    pixels = np.random.default_rng(2).integers(0, 256, (6, 5, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = 0  # transparent, so white
    png(tmp_path / "p.png", pixels)
    seen = pixels[..., :3].astype(np.float32)
    seen[0, 0] = 255
    x = (seen @ np.float32([0.299, 0.587, 0.114]))[..., None] if name == "grey" else seen.transpose(2, 0, 1)
    assert given(browser, "#picture", tmp_path / "p.png") == "p.png. 1 row."
    for low, high in ((0, 1), (0, 255), (-1, 1)):
        reset(browser)
        script = f"s.value = '{low} {high}'; s.dispatchEvent(new Event('change'))"
        browser.run(f"(() => {{ const s = document.querySelector('#picture select'); {script} }})()")
        waits(browser, "document.querySelector('#status').textContent")
        y = predict((low + x / 255 * (high - low))[None])[0]
        np.testing.assert_allclose([float(row[1]) for row in table(browser)], y, rtol=0, atol=2e-5)
    png(
        tmp_path / "large.png", np.full((300, 500, 4), 255, np.uint8)
    )  # one colour, so it has no edges to blur
    assert given(browser, "#picture", tmp_path / "large.png") == "large.png. 1 row."
    y = predict(np.ones((1, *x.shape)))[0]
    np.testing.assert_allclose([float(row[1]) for row in table(browser)], y, rtol=0, atol=2e-5)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert (
        given(browser, "#picture", tmp_path / "bad.png") == "bad.png is not a picture that this browser reads"
    )


def test_dropped_files(browser, site):
    opened(browser, site, "wine")
    reset(browser)
    text = ",".join(["0.5"] * 11)
    browser.run(
        "(() => { const data = new DataTransfer(); data.items.add(new File(['"
        + text
        + "'], 'rows.csv')); document.querySelector('#many .drop').dispatchEvent("
        "new DragEvent('drop', { dataTransfer: data, cancelable: true })); })()"
    )
    waits(browser, "document.querySelector('#status').textContent")
    assert status(browser) == "1 row."


def test_in_a_worker(browser, site):
    predict = opened(browser, site, "wine")
    x = np.random.default_rng(3).normal(size=(2, 11)).astype(np.float32)
    found = browser.run(
        "new Promise((done, failed) => { const worker = new Worker('worker.js', { type: 'module' });"
        "worker.onerror = (event) => failed(event.message); worker.onmessage = ({ data }) => "
        f"data === 'ready' ? worker.postMessage({x.tolist()}) : done(data); }})"
    )
    np.testing.assert_allclose(np.array(found), predict(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["wine", "grey", "free"])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(browser, site, name, dark):
    opened(browser, site, name, width=360, height=700, dark=dark)
    browser.click("document.querySelector('#example')")
    browser.click("document.querySelector('#one button')")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(15, 19, 24)" if dark else "rgb(255, 255, 255)")


def test_opened_as_a_file_it_says_what_to_do(browser, site):
    browser.open(site[1] / "wine" / "index.html")
    text = browser.run("document.querySelector('#waiting').innerText")
    assert "python -m http.server" in text
    assert browser.run("document.querySelector('#inputs').hidden")


def test_a_module_that_is_missing_is_named(browser, site):
    for file in (site[1] / "plain").glob("*.wasm"):
        file.rename(file.with_suffix(".gone"))
    browser.open(f"{site[0]}/plain/index.html")
    text = waits(browser, "document.querySelector('#waiting').innerText.match(/could not.*/)?.[0]")
    assert text.endswith("net.simd.wasm cannot be read: the server answers 404")
