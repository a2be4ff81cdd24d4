"""The version of the plugin, as metadata.txt says it."""

from __future__ import annotations

from pathlib import Path


def plugin_version() -> str:
    """The version in metadata.txt, which lies in the plugin folder or, in a checkout, beside it."""
    package = Path(__file__).resolve().parent
    for folder in (package, package.parent):
        card = folder / "metadata.txt"
        if card.is_file():
            for line in card.read_text(encoding="utf-8").splitlines():
                if line.startswith("version="):
                    return line.partition("=")[2].strip()
    return "unknown"
