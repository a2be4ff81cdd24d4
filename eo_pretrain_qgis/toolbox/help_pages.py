"""Where the Help button leads: to the pages that come with the plugin, which need no network."""

from __future__ import annotations

import re
from pathlib import Path

from ..version import homepage

BUNDLED = Path(__file__).parents[1] / "help"
#: Of a checkout, to which `make dev` makes links.
WRITTEN = Path(__file__).resolve().parents[2] / "docs"


def address(place: str) -> str:
    """The address of a page.

    Args:
        place: the Markdown file below ``docs/`` and the anchor in it, such as ``algorithms/map.md#map_roads``.

    Returns:
        A ``file:`` address of the page that came in the zip; else one below the homepage of the release; else that of the Markdown
        file of a checkout. Empty when there is none of them, and QGIS then shows no Help button.
    """
    file, mark, anchor = place.partition("#")
    page = re.sub(r"(?:README|index)\.md$", "index.md", file)[: -len("md")] + "html"
    if (BUNDLED / page).is_file():
        return (BUNDLED / page).absolute().as_uri() + mark + anchor
    if homepage():
        return f"{homepage()}/{page}{mark}{anchor}"
    return (WRITTEN / file).as_uri() + mark + anchor if (WRITTEN / file).is_file() else ""
