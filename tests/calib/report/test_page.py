"""The page in a browser: no error, all pictures, readable at both widths, light and dark; and nothing in it is code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

import zaponnx

HOSTILE = '</script><img src=x onerror="document.title=1">|`*{{7*7}}\'&amp;'
LARGEST = 3_000_000  # bytes of a page

# The browser's own and this page's: an SVG's namespace, say, is no address.
ADDRESS = re.compile(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a model whose layers, files and data have names that are markup and code."""
    directory = tmp_path_factory.mktemp("hostile")
    generator = np.random.default_rng(0)
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        hostile (float[N, 3, 12, 12] input) => (float[N, 5] output) {
            first = Conv <pads = [1, 1, 1, 1]> (input, W0)
            rectified = Relu (first)
            second = Conv <pads = [1, 1, 1, 1]> (rectified, W1)
            active = Relu (second)
            pooled = GlobalAveragePool (active)
            output = Flatten (pooled)
        }"""
    )
    for name, shape in {"W0": (8, 3, 3, 3), "W1": (5, 8, 3, 3)}.items():
        values = generator.standard_normal(shape).astype(np.float32) / 4
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    for node in model.graph.node:
        node.name = f"{node.output[0]}{HOSTILE}"
    dense = directory / "model<b>.onnx"
    files = [directory / f"model<b>.{suffix}" for suffix in ("zapcal", "zapfit.json", "zap.onnx")]
    calibration, fit, converted = files
    onnx.save_model(model, dense)
    zaponnx.calibrate(dense, "random", calibration, samples=8, epochs=1, refine_steps=0)
    zaponnx.fit(calibration, fit)
    zaponnx.convert(dense, calibration, fit, converted, mac_saving=0.2)
    output = directory / "report.html"
    zaponnx.report(converted, output, calibration=calibration, data="random", samples=1)
    return output


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_drawn_and_fits(opened, page: Path, width: int, scheme: str) -> None:
    browser = opened(page, width, scheme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.chart')].map(e => [e.id, e.querySelectorAll('svg path').length,"
        " e.querySelector('svg').getBoundingClientRect().width, e.parentElement.clientWidth])"
    )
    names = {name for name, *_ in drawn}
    assert names == {f"chart-{name}" for name in ("accuracy", "frontier", "effects", "work", "error", "macs", "trade")}
    for name, paths, chart_width, room in drawn:
        assert paths > 1, name
        assert 0.5 * room < chart_width <= room + 1, name
    pictures = browser.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width])"
    )
    assert len(pictures) == 4 * 7  # a sample is its image, and three times a map over it
    assert all(complete and natural == 12 and shown >= 100 for complete, natural, shown in pictures)


def test_the_forms_of_layers_are_explained(opened, page: Path) -> None:
    browser = opened(page, 1280, "light")
    items = browser.find_elements(By.CSS_SELECTOR, ".forms li")
    assert [item.text.partition(":")[0] for item in items] == ["skips (1 layer)", "dense (1 layer)"]
    assert items[0].text.endswith("predicts which of its outputs are zero, and computes the others")
    cells = {cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(2)")}
    assert cells == {"skips", "dense"}


def test_maps_are_of_the_three_classes_and_say_so(opened, page: Path) -> None:
    browser = opened(page, 1280, "light")
    tiles = browser.find_elements(By.CSS_SELECTOR, "#samples .sample:first-child figcaption")
    names = [tile.text.splitlines() for tile in tiles]
    assert [name for name, *_ in names] == ["input", "computed", "skipped", "wrongly skipped"]
    computed, skipped, wrong = (float(said[1].removesuffix(" %")) for said in names[1:])
    assert computed + skipped == pytest.approx(100, abs=0.1001)
    assert 0 <= wrong <= skipped
    legend = browser.find_element(By.XPATH, "//div[@id='samples']/preceding-sibling::ul")
    assert legend.text.split("\n") == ["computed", "skipped", "wrongly skipped"]
    keys = legend.find_elements(By.TAG_NAME, "i")
    assert len({key.value_of_css_property("background-color") for key in keys}) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(opened, page: Path, scheme: str) -> None:
    """By WCAG's contrast of 4.5 for text, on the page and in the charts."""
    browser = opened(page, 1280, scheme)
    script = (
        "const color = e => getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color'];"
        "return [getComputedStyle(document.body).backgroundColor,"
        " ...['h1', '.lead', '.lacking', '.detail', 'svg text', '.role-axis-label text'].map("
        "   q => color(document.querySelector(q)))]"
    )
    background, *texts = (luminance(color) for color in browser.execute_script(script))
    assert (background > 0.5) == (scheme == "light")
    for text in texts:
        lighter, darker = max(text, background), min(text, background)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def luminance(color: str) -> float:
    """The relative luminance of "rgb(r, g, b)", as in WCAG 2."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_it_moves_along_epsilon(opened, page: Path) -> None:
    browser = opened(page, 1280, "light")
    script = (
        "const range = document.getElementById('point'); range.value = arguments[0];"
        "range.dispatchEvent(new Event('input'));"
        "return [JSON.parse(document.getElementById('data').textContent).frontier.points[arguments[0]],"
        " document.getElementById('point-saved').textContent, document.getElementById('point-command').textContent]"
    )
    for index in (1, 5):
        point, saved, command = browser.execute_script(script, index)
        assert float(saved.removesuffix(" %")) == pytest.approx(100 * point["mac_saved"], abs=0.05 + 1e-9)
        epsilon = float(re.search(r"--epsilon (\S+)", command)[1])
        assert point["error"] <= epsilon <= point["error"] + 1e-6


def test_a_layer_is_chosen_in_all_places(opened, page: Path) -> None:
    browser = opened(page, 1280, "light")
    choices = [Select(each) for each in browser.find_elements(By.CLASS_NAME, "layer-choice")]
    names = [option.text for option in choices[0].options]
    assert names == ["active"] or len(names) >= 1
    choices[1].select_by_index(len(names) - 1)
    assert [choice.first_selected_option.text for choice in choices] == [names[-1]] * 2
    assert browser.find_element(By.ID, "layer-card").text


def test_the_table_is_sorted_by_a_click(opened, page: Path) -> None:
    browser = opened(page, 1280, "light")
    headers = browser.find_elements(By.CSS_SELECTOR, "th button")
    column = [header.text for header in headers].index("MACs")

    def values() -> list[float]:
        cells = browser.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({column + 1})")
        return [float(cell.get_attribute("data-key")) for cell in cells]

    headers[column].click()
    assert values() == sorted(values())
    headers[column].click()
    assert values() == sorted(values(), reverse=True)
    assert headers[column].find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


def test_names_from_files_are_text(opened, hostile: Path) -> None:
    browser = opened(hostile, 1280, "light")
    assert browser.get_log("browser") == []
    assert browser.title == "model<b>.zap.onnx: what prediction saves"
    cells = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "tbody td:first-child")]
    assert any(HOSTILE in cell for cell in cells)
    assert browser.find_elements(By.CSS_SELECTOR, "img[src='x'], b b") == []
    charts = browser.execute_script("return document.getElementById('chart-work').textContent")
    assert "</script><img" in charts or "</scri" in charts


def test_it_asks_for_nothing_else_and_is_small(page: Path, hostile: Path) -> None:
    for path in (page, hostile):
        text = path.read_text()
        assert len(text.encode()) < LARGEST
        head = text[: text.index("<body>")]
        assert "default-src 'none'" in head
        assert not ADDRESS.search(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))


def test_names_from_files_end_no_element(hostile: Path) -> None:
    """Without a browser: the script elements are the page's own three."""
    text = hostile.read_text()
    assert text.count("<script") == text.count("</script>") == 3
    assert "<img" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
