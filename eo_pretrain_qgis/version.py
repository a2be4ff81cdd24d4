"""What metadata.txt says of the plugin."""

from __future__ import annotations

from pathlib import Path


def plugin_version() -> str:
    """The version of the plugin."""
    return _fact("version") or "unknown"


def homepage() -> str:
    """The address of the published documents, without a slash at its end; empty where no release has named one."""
    return _fact("homepage").rstrip("/")


def _fact(name: str) -> str:
    """A line of metadata.txt, which lies in the plugin folder or, in a checkout, beside it; empty when there is none."""
    package = Path(__file__).resolve().parent
    for folder in (package, package.parent):
        card = folder / "metadata.txt"
        if card.is_file():
            for line in card.read_text(encoding="utf-8").splitlines():
                if line.startswith(f"{name}="):
                    return line.partition("=")[2].strip()
    return ""
