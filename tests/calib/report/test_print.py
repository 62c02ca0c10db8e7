"""The page on paper: as A4 in a PDF by Chromium, read back by poppler; all charts are there, whole and legible."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

A4 = (8.27, 11.69)  # inches
MARGIN = 14 / 25.4 * 72  # points, as the page says
LEAST_TEXT = 7.0  # points, of a line in a chart; 12 pixels on the screen are 9 points
RESOLUTION = 72  # pixels per inch: one for each point

if not shutil.which("pdftotext") or not shutil.which("pdftoppm"):
    pytest.skip("poppler's tools are not installed (Debian: poppler-utils)", allow_module_level=True)


@dataclass(frozen=True)
class Word:
    """A word on paper: its page, from 0, and its box in points from the page's upper left corner."""

    text: str
    page: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Paper:
    """The printed pages: their words in reading order, and their pictures (H, W, 3)."""

    words: list[Word]
    pictures: list[np.ndarray]

    def find(self, text: str, start: int) -> int:
        """The position of the first of some words that follow each other, from a position on."""
        wanted = text.split()
        for index in range(start, len(self.words) - len(wanted) + 1):
            if [word.text for word in self.words[index : index + len(wanted)]] == wanted:
                return index
        raise AssertionError(f"'{text}' is not on paper, or not in its place")


def paper(browser: Any, directory: Path) -> Paper:
    sizes = {"paperWidth": A4[0], "paperHeight": A4[1], "printBackground": True}
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", sizes)["data"])
    (directory / "page.pdf").write_bytes(pdf)
    subprocess.run(["pdftotext", "-bbox", "page.pdf", "words.html"], cwd=directory, check=True)
    subprocess.run(["pdftoppm", "-png", "-r", str(RESOLUTION), "page.pdf", "p"], cwd=directory, check=True)
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", "", (directory / "words.html").read_text())
    root = ElementTree.fromstring(text.replace(' xmlns="http://www.w3.org/1999/xhtml"', ""))
    words = [
        Word(word.text or "", number, *(float(word.get(key, "nan")) for key in ("xMin", "yMin", "xMax", "yMax")))
        for number, page in enumerate(root.iter("page"))
        for word in page.iter("word")
    ]
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(directory.glob("p-*.png"))]
    return Paper(words, pictures)


def charts(browser: Any) -> list[tuple[str, str]]:
    """The title of each chart and that of its horizontal axis, in their order."""
    script = (
        "return [...document.querySelectorAll('.chart')].map(e => [e.getAttribute('aria-label'),"
        " [...e.querySelectorAll('.role-axis-title text')].find(t => !t.getAttribute('transform').includes('rotate'))"
        ".textContent])"
    )
    return [tuple(pair) for pair in browser.execute_script(script)]


@pytest.mark.parametrize(
    ("kind", "width", "scheme"), [("page", 1280, "light"), ("page", 390, "dark"), ("tuned_page", 1280, "dark")]
)
def test_charts_are_whole_and_legible(
    opened, request: pytest.FixtureRequest, tmp_path: Path, kind: str, width: int, scheme: str
) -> None:
    browser = opened(request.getfixturevalue(kind), width, scheme)
    expected = charts(browser)
    assert len(expected) >= 4
    printed = paper(browser, tmp_path)
    place = 0
    for title, axis in expected:
        place = printed.find(title, place)
        caption = printed.words[place]
        last = printed.find(axis, place)
        end = printed.words[last + len(axis.split()) - 1]
        assert end.page == caption.page, f"{title}: cut by the end of a page"
        inside = [
            word
            for word in printed.words
            if word.page == caption.page and caption.bottom < word.top and word.bottom <= end.bottom + 1
        ]
        picture = printed.pictures[caption.page]
        height, whole_width = picture.shape[:2]
        assert max(word.right for word in inside) - min(word.left for word in inside) > 0.6 * whole_width, title
        heights = [max(word.bottom - word.top, word.right - word.left) for word in inside]
        assert min(heights) > LEAST_TEXT, title
        assert all(word.left >= MARGIN - 2 and word.right <= whole_width - MARGIN + 2 for word in inside), title
        assert end.bottom <= height - MARGIN + 2, title
        area = picture[round(caption.bottom) : round(end.top)].astype(int)
        colored = np.argwhere(area.max(axis=2) - area.min(axis=2) > 40)
        assert len(colored) > 10, f"{title}: nothing is drawn"  # a tick at least, where nothing is saved
        place = last


def test_it_is_light_and_has_its_maps(opened, page: Path, tmp_path: Path) -> None:
    browser = opened(page, 1280, "dark")
    printed = paper(browser, tmp_path)
    assert np.mean([(picture > 240).all(axis=2).mean() for picture in printed.pictures]) > 0.6
    for name in ("computed", "wrongly skipped"):
        first = printed.find(name, printed.find("Hits and misses", 0))
        assert printed.words[first].page < len(printed.pictures)
    assert not any("Move" in word.text for word in printed.words)  # of the slider


def test_after_printing_the_charts_fit_the_screen_again(opened, page: Path, tmp_path: Path) -> None:
    browser = opened(page, 390, "light")
    paper(browser, tmp_path)
    widths = browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => setTimeout(() => done("
        "[...document.querySelectorAll('.chart svg')].map(e => e.getBoundingClientRect().width)), 300))"
    )
    assert all(0.5 * 390 < width <= 390 for width in widths)
