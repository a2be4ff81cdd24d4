"""The settings of a run as the dialog calls them, and what differs between those of a run and new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import DataError


def setting_rows(settings: Mapping[str, Any], labels: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    """What some settings are called, and what was chosen.

    Args:
        settings: name → value.
        labels: name → ``label`` and, of a choice, ``options``: word → its label. Names that it lacks are told as they are.
        names: of the settings to tell of.
    """
    return [_row(name, settings[name], labels.get(name, {})) for name in names]


def refuse_others(folder: str, begun: str, before: Mapping[str, Any], now: Mapping[str, Any], labels: Mapping[str, Any], more: str = "") -> None:
    """Refuses to go on in a folder with other settings than it was begun with.

    Args:
        folder: that was given.
        begun: what it holds, such as “a run”.
        before: name → value of the settings that it was begun with.
        now: of those that were asked for, and must be the same.
        labels: see `setting_rows`.
        more: what may be said besides.

    Raises:
        DataError: naming each setting that differs, what it was and what it is now.
    """
    differing = []
    for name, value in now.items():
        if before.get(name) != value:
            (label, was), (_, told) = (_row(name, "empty" if one is None else one, labels.get(name, {})) for one in (before.get(name), value))
            differing.append(f"“{label}” ({name}) was {was}, and is {told} now")
    if differing:
        raise DataError(f"The folder {folder} holds {begun} with other settings: {'; '.join(differing)}. To go on with it, give the settings that it "
                        f"had. To begin a new one, choose another folder.{f' {more}' if more else ''}")


def _row(name: str, value: Any, words: Mapping[str, Any]) -> tuple[str, str]:
    told = "–" if value is None else "yes" if value is True else "no" if value is False else words.get("options", {}).get(str(value), str(value))
    return words.get("label") or name.replace("_", " "), told
