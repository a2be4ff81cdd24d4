"""The catalogue of open weights: what they are, what bands and scaling they expect, and how a name becomes a file on this machine."""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from ... import places
from ...errors import ModelError, listed
from ...outputs import explained, new_file
from ...places import models_folder
from ...progress import SILENT, Progress
from ..cards import Preset
from ..rasters.same_band import band_key
from ..rasters.sensors import PRESETS, Band
from ..records import Count, FilledName, Finite, Name, PlainName, checked, differ, read_json, shown, worded
from .downloads import checksum_digits, download, file_sha256

#: Begins a value that names weights in the catalogue, where weights can be given.
PREFIX = "catalogue:"
FILE, VARIABLE = "catalog.json", places.MODELS
FORMAT, VERSION = "eo-pretrain catalogue", 1
CARD_FORMAT, CARD_VERSION = "eo-pretrain encoder", 1
ADVICE = "Correct it, or copy it again."
Numbers = Finite | Annotated[tuple[Finite, ...], Meta(min_length=1)]


class Expects(TypedDict):
    """Numbers for all bands, or one for each."""

    centre: Numbers
    spread: Numbers


#: The two networks of OmniCloudMask, whose outputs are averaged.
CLOUD_NETWORKS = ("omnicloudmask_regnety_004", "omnicloudmask_edgenext_small")
#: Whose bands weights may have beside those of their own sensor.
SECOND = "sentinel1_db"


@dataclass(frozen=True)
class Entry:
    """Weights that are known by name.

    Attributes:
        name: unique in the catalogue.
        title: for people.
        encoder: as in segmentation-models-pytorch.
        preset: key of `sensors.PRESETS`: how the images were stored that they were trained on.
        bands: names in the order of the file.
        address: of the file; empty where it only lies beside its catalogue.
        licence: of the weights.
        paper: address of the paper.
        sha256: checksum of the file, 64 digits; what is not known by all of them is no entry.
        bytes: its size, None where unknown.
        project: address of the code.
        expects: the encoder was given (stored value - centre) / spread; numbers for all bands or one for each; None where unknown.
        statistics: band → mean and standard deviation of stored values of the training images; empty where unknown.
        file: name of a file beside the catalogue that goes before the address; empty where there is none.
        described: what a run here wrote of its encoder (encoder.json), which says more than the other keys; None of foreign weights.
        folder: where the catalogue lies; no key of the file.
    """

    name: Annotated[str, worded("[a-z0-9]+(_[a-z0-9]+)*", "a name of small letters and digits with _ between", 100)]
    title: FilledName
    encoder: FilledName
    preset: Preset
    bands: Annotated[tuple[FilledName, ...], Meta(min_length=1, max_length=1000)]
    address: Annotated[str, worded(r"(?:https?://[!-~]+)?", "an address that begins with https://", 2000)]
    licence: FilledName
    paper: FilledName
    sha256: Annotated[str, worded("[0-9a-f]{64}", "64 hexadecimal digits")]
    bytes: Count | None = None
    project: Name = ""
    expects: Expects | None = None
    statistics: dict[str, tuple[Finite, Finite]] | None = None
    file: PlainName | Literal[""] = ""
    described: dict[str, Any] | None = None
    folder: str = ""

    def __post_init__(self) -> None:
        differ([*self.bands], "the band")
        try:
            urlsplit(self.address)
        except ValueError:  # of brackets without an end
            raise ValueError(f"“address” is {shown(self.address)}, which is none") from None
        for fact, numbers in (self.expects or {}).items():
            if isinstance(numbers, tuple) and len(numbers) != len(self.bands):
                raise ValueError(f"“expects” has {len(numbers)} numbers as {fact} for {len(self.bands)} bands")
        if self.expects and not all(_one(self.expects["spread"], position) > 0 for position in range(len(self.bands))):
            raise ValueError("“expects” has a spread that is not above 0")

        if self.described is not None:
            bands, source = self.described.get("bands"), self.described.get("source", {})
            if not isinstance(source, dict) or not isinstance(bands, list) or not all(isinstance(row, dict) for row in bands):
                raise ValueError("“described” holds no list of bands, or its source is no object")
            if [row.get("name") for row in bands] != [*self.bands]:
                raise ValueError("“described” has other bands than “bands”")

    @property
    def file_name(self) -> str:
        """What the file is called in the folder of models."""
        ending = os.path.splitext(urlsplit(self.address).path)[1]
        return self.name + (ending if re.fullmatch(r"\.[A-Za-z0-9]{1,12}", ending) else ".pth")

    def card(self) -> dict[str, Any]:
        """What stands in the JSON beside the weights: the same keys as in the encoder.json of a run."""
        source = {"catalogue": self.name, "title": self.title, "address": self.address, "sha256": self.sha256, "licence": self.licence,
                  "paper": self.paper, "project": self.project}
        if self.described is not None:
            return {**self.described, "format": CARD_FORMAT, "version": CARD_VERSION, "source": {**self.described.get("source", {}), **source}}
        return {"format": CARD_FORMAT, "version": CARD_VERSION, "method": "import", "encoder": self.encoder, "preset": self.preset,
                "bands": band_cards(self.bands, self.preset, self.expects, self.statistics),
                "scaling": "linear" if self.expects else "unknown",
                "source": source}


def band_cards(names: tuple[str, ...] | list[str], preset: str, expects: Mapping[str, Any] | None = None,
               statistics: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The bands of foreign weights as an encoder.json says them.

    Args:
        names: in the order of the file.
        preset: key of `sensors.PRESETS`.
        expects: ``centre`` and ``spread`` as in `Entry`.
        statistics: band → mean and standard deviation as in `Entry`.
    """
    known = {band.name: band for key in (SECOND, preset) for band in PRESETS[key].bands}
    cards = []
    for position, name in enumerate(names):
        key = band_key(name.partition(" (")[0])
        card = {**asdict(known.get(key, Band(name))), "name": name}
        if expects:
            card.update({fact: float(_one(expects[fact], position)) for fact in ("centre", "spread")})
        if statistics and (name in statistics or key in statistics):
            card.update(zip(("mean", "std"), map(float, statistics[name if name in statistics else key])))
        cards.append(card)
    return cards


def read_catalogue() -> dict[str, Entry]:
    """Name → entry: those of the user's folder of models, those of folders in it that “Share encoder” made, and those that come with the plugin.

    Raises:
        ModelError: when a catalogue is damaged, naming file and entry.
    """
    entries: dict[str, Entry] = {}
    for entry in _all():
        entries.setdefault(entry.name, entry)
    return entries


def shipped_names() -> set[str]:
    """Names of the weights that come with the plugin.

    Raises:
        ModelError: when their catalogue is damaged.
    """
    path = shipped()
    return {entry.name for entry in _read(path)} if path is not None and path.is_file() else set()


def _all() -> list[Entry]:
    """Those of all catalogues, the one in the user's folder of models first."""
    mine = models_folder()
    files = (mine / FILE, *sorted(mine.glob(f"*/{FILE}")), shipped())
    return [entry for path in files if path is not None and path.is_file() for entry in _read(path)]


def find(name: str) -> Entry:
    """The entry of that name, with or without ``catalogue:`` before it.

    Raises:
        ModelError: with the nearest name there is; or folders that were shared have other weights of that name than each other or the plugin.
    """
    entries = read_catalogue()
    plain = name.removeprefix(PREFIX).strip()
    if plain not in entries:
        near = difflib.get_close_matches(plain, entries, 1, 0.4)
        hint = f"Did you mean “{PREFIX}{near[0]}”?" if near else f"It has: {', '.join(entries) or 'nothing'}."
        raise ModelError(f"The catalogue of weights has no “{plain}”. {hint} It knows the weights that come with the plugin, and those in the folder "
                         f"of models, {models_folder()}, and the folders in it. {VARIABLE} sets another folder.")
    called = [entry for entry in _all() if entry.name == plain]
    if called[0].folder != str(models_folder()) and len({entry.sha256 for entry in called}) > 1:
        raise ModelError(f"“{plain}” names different weights in {listed([str(Path(entry.folder) / FILE) for entry in called])}. Remove the folders "
                         "of those you do not want.")
    return entries[plain]


def statistics(name: str) -> dict[str, list[float]]:
    """Band → mean and standard deviation of stored values, of a set of images the catalogue that comes with the plugin knows.

    Raises:
        ModelError: when the catalogue is missing or damaged.
    """
    path = shipped()
    if path is None:
        raise ModelError(f"The plugin's folder models has no {FILE}. Install the plugin again.")
    known = _content(path).statistics
    if name not in known:
        raise ModelError(f"The catalogue {path} has no statistics “{name}”. Install the plugin again.")
    return {band: list(numbers) for band, numbers in known[name].bands.items()}


def fetch(entry: Entry, progress: Progress = SILENT) -> str:
    """The path of the weights of an entry on this machine, with the JSON that describes them beside; downloads them where needed.

    Under ``torchrun`` the first process of each machine downloads and the others wait for it.

    Raises:
        ModelError: see `downloads.download`; or the file beside the catalogue is another one.
    """
    beside = Path(entry.folder) / entry.file if entry.file else None
    near = beside is not None and (beside.is_file() or not entry.address)
    path = beside if beside is not None and near else models_folder() / entry.file_name
    if int(os.environ.get("LOCAL_RANK", "0")):
        return _waited_for(path, progress)
    if near:
        _check_beside(entry, path, progress)
    else:
        if not path.exists():
            size = f", {entry.bytes / 1e6:.0f} MB," if entry.bytes else ""
            progress.message(f"“{entry.title}” may be used under the licence {entry.licence}; see {entry.paper}. It is downloaded{size} to {path}.")
        download(entry.address, path, sha256=entry.sha256, progress=progress)
    write_card(entry, path)
    return str(path)


def write_card(entry: Entry, path: Path) -> None:
    """Writes what an entry says into the JSON beside its weights, where it does not stand there yet: a folder that many share can be read only.

    Raises:
        DataError: the folder may not be written, or the disk is full.
        ModelError: a link lies in its place: who made the folder does not choose which file of the user's is replaced.
    """
    card, content = path.with_suffix(".json"), json.dumps(entry.card(), indent=1, ensure_ascii=False).encode()
    if not card.is_file() or card.read_bytes() != content:
        if card.is_symlink():
            raise ModelError(f"{card} is a link to {os.path.realpath(card)}, which would be written. Remove the link.")
        with explained(path), new_file(card) as part:
            part.write_bytes(content)


def _check_beside(entry: Entry, path: Path, progress: Progress) -> None:
    where = f"“{entry.name}” of the catalogue {Path(entry.folder) / FILE}"
    if not path.is_file():
        raise ModelError(f"The file {path} of {where} is not there, and it has no address. Copy the whole folder again.")
    digest = file_sha256(path, progress)
    if digest != entry.sha256:
        raise ModelError(f"{path} is not the file of {where}: its SHA-256 is {digest}, and should be {entry.sha256}. Copy the folder again.")
    progress.once(f"“{entry.title}” may be used under the licence {entry.licence}; see {entry.paper}.")


def are_here(names: Iterable[str]) -> bool:
    """Whether the weights of all entries of these names are on this machine, so that nothing would be downloaded."""
    return all((models_folder() / find(name).file_name).is_file() for name in names)


def shipped() -> Path | None:
    """The catalogue that comes with the plugin; None where it is missing."""
    return places.shipped(FILE)


class _Statistics(Struct):
    """Band → mean and standard deviation."""

    bands: dict[str, tuple[Finite, Finite]]


class _Catalogue(Struct):
    """The file; entries are checked one by one, so that what is said names theirs."""

    weights: list[dict[str, Any]]
    statistics: dict[str, _Statistics] = {}


def _read(path: Path) -> list[Entry]:
    content = _content(path)
    return [_entry(path, number, found, content.statistics) for number, found in enumerate(content.weights)]


def _content(path: Path) -> _Catalogue:
    content = read_json(path, ModelError, ADVICE)
    said = (content.get("format"), content.get("version")) if isinstance(content, dict) else (None, None)
    if said[0] != FORMAT or type(said[1]) is not int or said[1] > VERSION:
        raise ModelError(f"The catalogue {path} cannot be read (it is of the format {shown(said[0])} {shown(said[1])}, this plugin reads "
                         f"{FORMAT} {VERSION}). {ADVICE}")
    return checked(content, _Catalogue, f"The catalogue {path}", ModelError, ADVICE)


def _entry(path: Path, number: int, found: dict[str, Any], known: Mapping[str, _Statistics]) -> Entry:
    name = found.get("name")
    where = f"The entry {shown(name) if isinstance(name, str) else number + 1} of the catalogue {path}"
    statistics = found.get("statistics") or None
    if statistics is not None and not (isinstance(statistics, str) and statistics in known):
        raise ModelError(f"{where} is damaged: there are no statistics {shown(statistics)}. {ADVICE}")
    if not found.get("address") and not found.get("file") and "address" in found:
        raise ModelError(f"{where} is damaged: it has neither an “address” nor a “file” beside it. {ADVICE}")
    sums = {"sha256": checksum_digits(found["sha256"])} if isinstance(found.get("sha256"), str) else {}
    return checked({**found, **sums, "folder": str(path.parent),
                    "statistics": known[statistics].bands if statistics else None}, Entry, where, ModelError, ADVICE)


def _one(value: Any, position: int) -> float:
    return value[position] if isinstance(value, (list, tuple)) else value


def _waited_for(path: Path, progress: Progress) -> str:
    """The path once another process has written it and its card; its failure ends this process too."""
    while not (path.exists() and path.with_suffix(".json").exists()):
        progress.at(0, f"Waiting for {path.name}")
        time.sleep(0.25)
    return str(path)
