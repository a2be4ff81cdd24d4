"""The models that come with the plugin, one for each theme: models/ready/ready.json says what each is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ...errors import ModelError
from ...places import shipped
from ...progress import SILENT, Progress
from ..cards import LearnedFrom
from ..records import Count, FilledName, Finite, PlainName, checked, differ, read_json
from . import package

#: Stands for the model that comes with the plugin, in place of a path.
WORD = "bundled"
FOLDER, FILE = "ready", "ready.json"
FORMAT, VERSION = "eo-pretrain ready models", 1
ADVICE = "Install the plugin again, or give a model of your own."


class TestedFigure(Struct, frozen=True):
    """A figure in words, and its 95 % interval; None where there is none."""

    figure: FilledName
    value: Finite
    interval: tuple[Finite, Finite] | None = None


class Tested(Struct, frozen=True):
    """How good a model was on ground that chose nothing: which that is, in words, and the figures; the first is the one it is judged by."""

    ground: FilledName
    figures: Annotated[tuple[TestedFigure, ...], Meta(min_length=1)]


class ReadyModel(Struct, frozen=True):
    """A model that comes with the plugin.

    Attributes:
        theme: what it maps, such as roads.
        file: beside the list.
        card: file in models/cards.
        learned: what it learned from and what follows, as sentences for people.
        tested: see there; the figures of docs/evidence/bundled-models.md.
        learned_from: where and when that was; None where it was simulated.
    """

    theme: PlainName
    file: PlainName
    card: PlainName
    learned: FilledName
    tested: Tested
    learned_from: LearnedFrom | None = None


class _List(Struct):
    """The file."""

    format: FilledName
    version: Count
    models: Annotated[tuple[ReadyModel, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        if (self.format, self.version) != (FORMAT, VERSION):
            raise ValueError(f"it is of the format {self.format} {self.version}, and this plugin reads {FORMAT} {VERSION}")
        differ([row.theme for row in self.models], "the theme")


def read_list() -> dict[str, ReadyModel]:
    """Theme → the model that comes with the plugin.

    Raises:
        ModelError: the list is missing or damaged.
    """
    path = shipped(FOLDER, FILE)
    if path is None:
        raise ModelError(f"The plugin's folder models/{FOLDER} has no {FILE}, so there is no bundled model. {ADVICE}")
    found = checked(read_json(path, ModelError, ADVICE), _List, f"The list {path}", ModelError, ADVICE)
    return {row.theme: row for row in found.models}


def opened(model: str, theme: str, progress: Progress = SILENT) -> package.Package:
    """A model file, or the one that comes with the plugin for a theme, of which is told once what it learned from.

    Args:
        model: a path, or `WORD`.
        theme: see `ReadyModel`.
        progress: hears what a bundled model is.

    Raises:
        ModelError: the file is no model, or the plugin has none for the theme.
    """
    return of_theme(theme, progress) if model == WORD else package.open(model)


def listed_model(path: str) -> ReadyModel | None:
    """What is known of the model in a file, where it is one that comes with the plugin."""
    listing = shipped(FOLDER, FILE)
    if listing is None or Path(path).resolve().parent != listing.resolve().parent:
        return None
    return next((row for row in read_list().values() if row.file == Path(path).name), None)


def learned_words(path: str) -> str:
    """What the model in a file learned from and what follows, where it is one that comes with the plugin; otherwise nothing."""
    known = listed_model(path)
    return f"The bundled model {known.learned}" if known else ""


def of_theme(theme: str, progress: Progress = SILENT) -> package.Package:
    """The model that comes with the plugin for a theme; arguments and errors as of `opened`."""
    found = read_list().get(theme)
    path = shipped(FOLDER, found.file) if found else None
    if found is None or path is None:
        raise ModelError(f"The plugin's folder models/{FOLDER} has no model for {theme.replace('_', ' ')}. {ADVICE}")
    card = shipped("cards", found.card)
    progress.message(f"The bundled model {found.learned}" + (f" More on it: {card}." if card else ""))
    return package.open(str(path))
