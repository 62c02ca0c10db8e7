"""mkdocs hooks: read links that lead out of docs/, write paths; and refuse what a reader's browser would fetch.

The pages are read in the repository as well, where such links work; the site has the path in their place.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_LOG = logging.getLogger("mkdocs.hooks.zaponnx")
_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)\)")
# What a browser loads by itself, unlike links that a reader may follow.
_LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'> ]*""")
_STYLED = re.compile(r"""<link\b(?![^>]*\brel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^"'> ]*""")


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: object) -> str:
    """Replaces a link to a file of the repository by its path."""
    root = Path(config.config_file_path).parent

    def path(link: re.Match[str]) -> str:
        text, target = link.groups()
        if not (root / target).exists():
            _LOG.warning("%s links to '../%s', which does not exist", page.file.src_uri, target)
        return f"`{target}`" if text in target else f"{text} (`{target}`)"

    return _OUTWARD.sub(path, markdown)


def on_post_page(output: str, /, *, page: Page, config: MkDocsConfig) -> str:
    """Warns, which --strict makes an error, of what a page would load from the network."""
    for loaded in _LOADED.findall(output) + _STYLED.findall(output):
        _LOG.warning("%s loads from the network: %s", page.file.src_uri, loaded)
    return output
