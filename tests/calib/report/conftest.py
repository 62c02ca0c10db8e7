"""The small network's results as files, as the commands print them, and a browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.support.ui import WebDriverWait

import zaponnx

BINARIES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Results:
    """What eval, bench and convert printed of the small network's converted model, and the data with labels."""

    eval: Path
    bench: Path
    convert: Path
    converted: Path
    other: Path
    data: str

    def read(self, name: str) -> Any:
        return json.loads(getattr(self, name).read_text())


@pytest.fixture(scope="session")
def results(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Results:
    directory = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    images = generator.standard_normal((8, 3, 12, 12)).astype(np.float32)
    np.savez(directory / "data.npz", input=images, labels=np.arange(8) % 5)
    data = f"npz:{directory / 'data.npz'}"
    converted, other = directory / "tuned.zap.onnx", directory / "other.zap.onnx"
    convert = zaponnx.convert(
        small.model, small.calibration, small.fit, converted, epsilon=1.0, tune=True, data="random", threads=1
    )
    if not convert.converted:  # nothing pays on this machine: the report is then of an untuned one
        convert = zaponnx.convert(small.model, small.calibration, small.fit, converted, epsilon=1.0)
    zaponnx.convert(small.model, small.calibration, small.fit, other, mac_saving=0.35)
    found = {
        "convert": convert,
        "eval": zaponnx.eval([small.model, small.converted, other], data),
        "bench": zaponnx.bench(small.converted, small.model, threads=(1, 2), iterations=2, warmup=0),
    }
    for name, result in found.items():
        (directory / f"{name}.json").write_text(json.dumps(result.to_json()))
    return Results(*(directory / f"{name}.json" for name in ("eval", "bench", "convert")), converted, other, data)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium, driven by Selenium; nothing is fetched for it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium with its driver is installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    yield chromium
    chromium.quit()


@pytest.fixture(scope="session")
def page(small: Any, results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page") / "report.html"
    zaponnx.report(
        small.converted,
        output,
        calibration=small.calibration,
        eval=[results.eval],
        bench=results.bench,
        data=results.data,
    )
    return output


@pytest.fixture(scope="session")
def tuned_page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the tuned model, if anything pays on this machine; with the data and the times of its layers."""
    output = tmp_path_factory.mktemp("tuned") / "report.html"
    zaponnx.report(results.converted, output, convert=results.convert, eval=[results.eval], data=results.data)
    return output


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens a page at a width and in a color scheme, and waits until it is drawn: opened(path, 1280, "light")."""

    def open_page(path: Path, width: int, scheme: str) -> Any:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(path.as_uri())
        WebDriverWait(browser, 60).until(
            lambda driver: driver.execute_script("return document.documentElement.dataset.ready")
        )
        return browser

    yield open_page
    browser.get_log("browser")
