"""The documentation site's parts that need no mkdocs: the nav, the commands in pages, and the hooks."""

from __future__ import annotations

import importlib.util
import logging
import re
import shlex
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest

from zaponnx.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    specification = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def of_page(name: str = "page.md") -> dict[str, object]:
    """The keywords that mkdocs calls hooks with, as far as these read them."""
    return {
        "page": SimpleNamespace(file=SimpleNamespace(src_uri=name)),
        "config": SimpleNamespace(config_file_path=str(ROOT / "mkdocs.yml")),
    }


def test_the_nav_has_every_page_once() -> None:
    named = re.findall(r"^ +- .*: (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert sorted(named) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_flow_is_the_readmes() -> None:
    [flow] = re.findall(r"(?:^    .*──.*\n)+", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert flow in (ROOT / "docs" / "index.md").read_text()


def commands(page: Path) -> list[str]:
    """The lines of the page's blocks that call zaponnx; a backslash continues a line."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return re.findall(r"^ *(zaponnx .*)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands_have_the_options_that_pages_give_them(page: Path) -> None:
    group = click.Context(main, help_option_names=["-h", "--help"])
    for line in commands(page):
        name, *arguments = shlex.split(line, comments=True)[1:]
        command = main.commands[name]
        if isinstance(command, click.Group):
            command = command.commands[arguments.pop(0)]
        values, _, _ = command.make_parser(click.Context(command, parent=group)).parse_args(arguments)
        missing = [param.name for param in command.params if param.required and not values.get(param.name)]
        assert not missing, line


def test_an_outward_link_becomes_the_path(hooks: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    text = "[README](../README.md), [the rest](../zaponnx), [a page](data.md)"
    expected = "`README.md`, the rest (`zaponnx`), [a page](data.md)"
    assert hooks.on_page_markdown(text, **of_page(), files=()) == expected
    assert not caplog.records


def test_an_outward_link_to_nothing_is_a_warning(hooks: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    hooks.on_page_markdown("[it](../no/such.md)", **of_page("some.md"), files=())
    assert [record.getMessage() for record in caplog.records] == [
        "some.md links to '../no/such.md', which does not exist"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].name.startswith("mkdocs.")  # what --strict counts


@pytest.mark.parametrize(
    ("output", "loads"),
    [
        ('<script src="https://unpkg.com/a.js"></script>', 1),
        ("<link rel=stylesheet href=//fonts.example/css>", 1),
        ('<img alt="" src="http://example.org/a.png">', 1),
        ('<a href="https://arxiv.org">a</a><link rel="canonical" href="https://example.org/"><script src=a.js>', 0),
    ],
)
def test_what_would_be_fetched_is_a_warning(
    hooks: ModuleType, caplog: pytest.LogCaptureFixture, output: str, loads: int
) -> None:
    assert hooks.on_post_page(output, **of_page()) == output
    assert len(caplog.records) == loads


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_is_empty(page: Path) -> None:
    assert len(page.read_text().split()) > 50
