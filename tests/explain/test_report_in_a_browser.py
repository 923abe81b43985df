"""The report in a browser: opened from the disk, without a network, light, dark and printed."""

import base64
import http.server
import threading
from dataclasses import replace

import numpy as np
import pytest

from bandwatch.explain.cluster_study import study_clusters
from bandwatch.explain.report import BandPages, report_html
from bandwatch.explain.report_figures import figures_of
from bandwatch.explain.said import Said
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import geometry_of
from bandwatch.models.evaluated_windows import gather_evaluated
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.explain.chromium import chromium, found_chromium
from bandwatch.tests.recorded import write_recording

LUMINANCE = """
(colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; })
"""
# The least contrast (WCAG 2, 1.4.3) of text on what is behind it, of all elements with text of their own.
LEAST_CONTRAST = f"""
(() => {{
  const luminance = {LUMINANCE};
  const behind = element => {{
    for (let at = element; at; at = at.parentElement) {{
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }}
    return 'rgb(255, 255, 255)'; }};
  const own = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  const found = [...document.body.querySelectorAll('*')].filter(each => own(each) && !each.closest('svg'))
    .map(each => [luminance(getComputedStyle(each).color), luminance(behind(each)), each.outerHTML])
    .map(([ink, paper, html]) => [(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), html]);
  return found.sort((one, other) => one[0] - other[0])[0]; }})()
"""
PICTURES = """
[...document.querySelectorAll('figure img, figure svg')].map(each => ({
  loaded: each.tagName !== 'IMG' || (each.complete && each.naturalWidth > 0),
  width: each.getBoundingClientRect().width, height: each.getBoundingClientRect().height,
  ground: getComputedStyle(each.closest('.picture')).backgroundColor }))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    found_chromium()
    folder = tmp_path_factory.mktemp("band")
    power_db = np.random.default_rng(0).normal(-100, 1, (128 * 16, 128)).astype(np.float32)
    for first in range(0, len(power_db), 256):
        power_db[first : first + 128, 60:64] += 20
        power_db[first + 128 : first + 256 : 16] += 15
    recording = open_recording(write_recording(folder / "band.npy", power_db))
    windows = gather_evaluated([recording], most=64, stride_rows=128)
    bundle = Bundle.load(shipped_bundle(), device="cpu", threads=1)
    study = study_clusters(windows, replace(geometry_of(recording), band="<b> & co"), 0.5, bundle)
    said = Said({0: "<script>alert(1)</script> & garage"}, {0: "cluster 0 (its owner's)"})
    figures = {figure.name: figure for figure in figures_of(study, said)}
    return report_html([BandPages(study, figures, "one", said)], {"recordings": "a<b>.npy"})


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def test_it_opens_from_the_disk_without_an_error_and_asks_for_nothing(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page)
    browser.show()
    browser.open(path.as_uri())
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    pictures = browser.value(PICTURES)
    assert len(pictures) == page.count("<figure>") >= 3 + 2 * 2
    assert all(each["loaded"] and min(each["width"], each["height"]) > 100 for each in pictures)
    assert browser.value("document.querySelector('h3[id=\"band-0-cluster-0\"]').textContent") == (
        "Cluster 0: <script>alert(1)</script> & garage"
    )
    assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"


@pytest.mark.parametrize(("media", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_all_text_stands_out_from_its_ground(browser, page, tmp_path, media, scheme):
    path = tmp_path / "report.html"
    path.write_text(page)
    browser.show(media=media, scheme=scheme)
    browser.open(path.as_uri())
    contrast, worst = browser.value(LEAST_CONTRAST)
    assert contrast >= 4.5, worst
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == ((media, scheme) != ("screen", "dark"))
    assert {each["ground"] for each in browser.value(PICTURES)} == {"rgb(255, 255, 255)"}


def test_it_prints_with_no_picture_higher_than_a_page(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page)
    browser.show(media="print")
    browser.open(path.as_uri())
    assert max(each["height"] for each in browser.value(PICTURES)) <= 19.5 / 2.54 * 96 + 1
    printed = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert printed.startswith(b"%PDF")
    assert len(printed) > 50_000


def test_this_browser_would_tell_of_errors_and_requests(browser, tmp_path):
    """What the others rest on: a page that errs, asks for what is not there, and asks a host that is."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            here = f"http://127.0.0.1:{server.server_port}/a.png"
            path = tmp_path / "bad.html"
            path.write_text(
                f'<img src="http://example.com/a.png"/><img src="{here}"/><img src="gone.png"/>'
                "<script>console.error('broken'); nowhere();</script>"
            )
            browser.open(path.as_uri())
        finally:
            server.shutdown()
            thread.join()
    told = "\n".join(browser.complaints())
    assert "broken" in told
    assert "nowhere is not defined" in told
    assert "ERR_FILE_NOT_FOUND" in told
    assert set(browser.requests()) == {
        path.as_uri(),
        "http://example.com/a.png",
        here,
        (tmp_path / "gone.png").as_uri(),
    }
