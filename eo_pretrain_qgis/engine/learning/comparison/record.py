"""comparison.json: what a comparison was asked, so that it goes on with the same, and which starting weights its figures are of."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ....errors import DataError
from ....outputs import new_file, new_folder
from ....progress import Progress
from ...runs.settings_table import refuse_others
from .asking import SIMPLE, Cell, Start, content_of

CARD, CELLS, RATES = "comparison.json", "cells", "rates.json"
FORMAT, VERSION = "eo-pretrain comparison", 2


def begun(folder: str) -> bool:
    """Whether a folder holds a comparison."""
    return os.path.exists(os.path.join(folder, CARD))


def holds_figures(folder: str) -> bool:
    """Whether anything was computed: a record alone, as one that only told what would be done leaves it, binds nobody."""
    return os.path.exists(os.path.join(folder, RATES)) or any(Path(folder, CELLS).glob("*.json"))


def begin(folder: str, card: dict[str, Any], starts: list[Start]) -> None:
    """Makes the folder of a comparison, whole or not at all: one that was stopped here would be taken for somebody else's.

    Raises:
        DataError: it holds something else.
    """
    with new_folder(folder) as part:
        (part / CELLS).mkdir()
        (part / CARD).write_text(_text(card, starts, []), encoding="utf-8")


def go_on(folder: str, card: dict[str, Any], starts: list[Start], before: dict[str, Any], progress: Progress) -> None:
    """Brings what is kept to the present version, and notes the starts that are asked for now.

    Weights that changed since have figures of their own, see `Start.content`; those of the earlier ones stay in the folder.
    """
    if before["version"] == 1:
        _keep_by_content(folder, before["starts"])
    os.makedirs(os.path.join(folder, CELLS), exist_ok=True)
    known = {start["name"]: content_of(start["encoder"], start["sha256"]) for start in before["starts"]}
    changed = [start.name for start in starts if start.path and known.get(start.name, start.content) not in {one.content for one in starts}]
    if changed:
        progress.message(f"The weights of {', '.join(f'“{name}”' for name in changed)} are others than when this comparison began, so their figures "
                         "are computed anew.", "warning")
    with new_file(os.path.join(folder, CARD)) as part:
        part.write_text(_text(card, starts, before["starts"]), encoding="utf-8")


def read(folder: str) -> dict[str, Any]:
    """What `begin` wrote, of this version or the first.

    Raises:
        DataError: it is something else.
    """
    path = os.path.join(folder, CARD)
    try:
        with open(path, encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
        if found["format"] != FORMAT or found["version"] not in (1, VERSION) or not isinstance(found["settings"]["training"], dict):
            raise ValueError("it is of another kind or version")
        _ = found["dataset"]["checksum"], [(start["name"], start["encoder"], start["sha256"]) for start in found["starts"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no record of a comparison ({error}). Choose a new folder.") from None
    return found


def check_same(folder: str, before: dict[str, Any], card: dict[str, Any]) -> None:
    """Refuses to go on with what is of another dataset or of other settings.

    Raises:
        DataError: naming what differs.
    """
    kept, own = before["dataset"], card["dataset"]
    if kept["checksum"] != own["checksum"] or kept.get("splits", own["splits"]) != own["splits"]:  # earlier records say nothing of the samples
        raise DataError(f"The folder {folder} holds a comparison on another dataset, or that one has changed since. Choose a new folder.")
    plain = json.loads(json.dumps(card["settings"]))
    ours, theirs = ({**settings, **settings["training"], "training": None} for settings in (plain, before["settings"]))
    refuse_others(folder, "a comparison", theirs, ours, {}, "More starts, ways, shares and draws may be added.")


def _text(card: dict[str, Any], starts: list[Start], before: list[dict[str, Any]]) -> str:
    names = {start.name for start in starts}
    known = [*(one for one in before if one["name"] not in names), *map(asdict, starts)]
    return json.dumps({"format": FORMAT, "version": VERSION, **card, "starts": known}, indent=1, ensure_ascii=False)


def _keep_by_content(folder: str, starts: list[dict[str, Any]]) -> None:
    """The first version kept figures by the names of their starts, of which each had one weight."""
    of = {start["name"]: content_of(start["encoder"], start["sha256"]) for start in starts}
    for path in sorted(Path(folder, CELLS).glob("*.json")):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["start"] == SIMPLE or "of" in facts:
                continue
            facts["of"] = of[facts["start"]]
            key = Cell(**{name: facts[name] for name in Cell.__dataclass_fields__}).key
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path} is no figure of a comparison ({error}). Delete it, and it is computed again.") from None
        with new_file(path.with_name(f"{key}.json")) as part:
            part.write_text(json.dumps(facts), encoding="utf-8")
        path.unlink()
    rates = Path(folder, RATES)
    if rates.exists():
        try:
            found = {of.get(name, name): scores for name, scores in json.loads(rates.read_text(encoding="utf-8")).items()}
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise DataError(f"{rates} is no record of rates ({error}). Delete it, and they are chosen again.") from None
        with new_file(rates) as part:
            part.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
