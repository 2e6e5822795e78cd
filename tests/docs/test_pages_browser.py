"""Pages of the site in a real browser: they fit a phone, follow dark settings, find things, and load nothing else.

These tests need a Chromium; where there is none they are skipped, unless FOLDNET_REQUIRE_BROWSER is set.
"""

import time

import pytest

from tests.support.browser import NEEDS_BROWSER, Browser, find_browser

pytestmark = NEEDS_BROWSER
PAGES = (
    "index.html",
    "reference/predictor.html",
    "reference/command-line.html",
    "doctor/index.html",
    "files.html",
)
BRIGHTNESS = "getComputedStyle(document.body).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"


@pytest.fixture
def browser(tmp_path):
    assert find_browser(), "FOLDNET_REQUIRE_BROWSER is set, and there is no Chromium"
    browser = Browser(tmp_path)
    yield browser
    browser.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_a_phone(browser, site, dark):
    assert site.done.returncode == 0, site.done.stderr
    for page in PAGES:
        browser.open(site.folder / page, width=390, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= 390, page
        beyond = browser.run(
            "[...document.querySelectorAll('.md-content *')].filter(e => e.getBoundingClientRect().right > 391"
            " && !e.closest('pre, .md-typeset__scrollwrap, .headerlink')).map(e => e.outerHTML.slice(0, 80))"
        )
        assert beyond == [], page
        assert {url.partition(":")[0] for url in browser.requests()} <= {"file", "data"}
        assert browser.complaints() == []
        ink, paper = (browser.run(BRIGHTNESS.format(name)) for name in ("color", "backgroundColor"))
        assert (ink > paper) is dark
    browser.open(site.folder / "index.html", width=390)
    assert browser.run("document.querySelector('.overview img').naturalHeight > 400")  # the tall picture


def test_search(browser, site):
    """A public name is found, also where pages come from a folder."""
    browser.open(site.folder / "index.html", width=1280)
    browser.run("document.querySelector('[name=query]').focus()")
    browser.send("Input.insertText", text="SpatialDropout1D")
    found = (
        "[...document.querySelectorAll('.md-search-result__link')].map(e => e.getAttribute('href')).join(' ')"
    )
    end = time.monotonic() + 600  # generous: a busy machine is slow
    while "regularization.html" not in browser.run(found):
        assert time.monotonic() < end, "the search finds nothing"
        assert browser.complaints() == []
        time.sleep(0.05)
    assert browser.complaints() == []
