"""An encoder of a run → a folder that another machine takes for a name in its catalogue: weights, card, and the row with their checksum."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import JobError, ModelError, listed
from ....outputs import new_folder
from ....progress import SILENT, Progress
from ...models import catalog
from ...models.downloads import file_sha256
from ...records import checked, json_text
from ...runs import run_record
from ...runs.approaches import NAMES, NETWORK
from .encoder_files import NETWORK as WHOLE
from .encoder_files import RUN_CARD, band_names, find_weights, has_decoder, read_card
from .starting_weights import load_weights

WEIGHTS, CARD = "weights.safetensors", "card.md"
ENDING = ".safetensors"
#: What stands in the catalogue where nobody has written of the weights.
NO_PAPER = "no paper"
#: Of the columns of a run, those that measure nothing.
NO_SCORES = ("epoch", "learning_rate")


@dataclass(frozen=True)
class About:
    """What only the user knows; the names are those of the job `share_encoder`, which explains them."""

    name: str
    licence: str
    title: str = ""
    data: str = ""
    paper: str = ""
    project: str = ""
    address: str | None = None
    sensor: str | None = None


def share_encoder(place: str, output: str, about: About, progress: Progress = SILENT) -> dict[str, Any]:
    """Writes the folder.

    Args:
        place: the folder of a run or of an imported encoder, or the file of an encoder of ours.
        output: a new folder.
        about: name, licence and what else is to be told.
        progress: told how far it is, and of another licence that the weights came with, and of a decoder that is not shared.

    Returns:
        ``output``, ``weights``, ``card``, ``starting_weights`` (what others write), ``sha256`` and ``megabytes``.

    Raises:
        JobError: the name is that of other weights.
        ModelError: no encoder of ours, or several and none is chosen.
        DataError: the folder is used or the disk full.
    """
    progress.at(0, "Reading the weights")
    if about.name in catalog.shipped_names():
        raise JobError(f"“Name” (catalogue_name) is {about.name}, and weights that come with the plugin are called so. Choose another name.")
    file = Path(_encoder_file(place, about.sensor))
    described, tensors = read_card(str(file)), load_weights(str(file))
    if described.get("format") != catalog.CARD_FORMAT or file.suffix != ENDING or not band_names(described) or not described.get("encoder"):
        raise ModelError(f"{file} is no encoder that was trained or imported here: no JSON beside it says what it takes. Give it to “Import encoder” "
                         "first, and share what comes out.")
    theirs = described.get("source", {}).get("licence")
    if theirs and theirs != about.licence:
        progress.message(f"The weights came from elsewhere under the licence {theirs}, and are shared under {about.licence}. See that the first "
                         "allows the second; the card names both.", level="warning")
    alone = has_decoder(str(file.parent / WHOLE))
    if alone:
        progress.message("The encoder alone is shared, without the decoder of the run. To start from both, give others the folder of the run.")
    row = {"name": about.name, "title": about.title or about.name, "encoder": described["encoder"], "preset": described.get("preset", "generic"),
           "bands": band_names(described), "address": about.address or "", "file": WEIGHTS, "sha256": file_sha256(file, progress),
           "bytes": file.stat().st_size, "licence": about.licence, "paper": about.paper or NO_PAPER, "project": about.project,
           "described": described}
    with new_folder(output) as folder:
        entry = checked(row, catalog.Entry, "The card of the encoder", ModelError, catalog.ADVICE)
        shutil.copyfile(file, folder / WEIGHTS)
        catalog.write_card(entry, folder / WEIGHTS)
        text = json_text({"format": catalog.FORMAT, "version": catalog.VERSION, "weights": [row]})
        (folder / catalog.FILE).write_text(text, encoding="utf-8")
        (folder / CARD).write_text(_card(entry, about, _run(file.parent), sum(map(_numbers, tensors.values())), alone), encoding="utf-8")
    return {"output": output, "weights": str(Path(output) / WEIGHTS), "card": str(Path(output) / CARD),
            "starting_weights": catalog.PREFIX + about.name, "sha256": row["sha256"], "megabytes": round(row["bytes"] / 1e6, 3)}


def _encoder_file(place: str, sensor: str | None) -> str:
    """The file of the encoder that is meant."""
    if not os.path.isdir(place):
        return find_weights(place, [], False)
    own = {path.stem.removeprefix("encoder_"): str(path) for path in sorted(Path(place).glob(f"encoder_*{ENDING}"))}
    if sensor and sensor not in own:
        raise ModelError(f"The folder {place} holds no encoder of the sensor “{sensor}”; it has {listed(own) or 'one encoder alone'}. Choose one of "
                         "them, or leave “Sensor” empty.")
    if len(own) > 1 and not sensor:
        raise ModelError(f"The folder {place} holds an encoder for each of the sensors {listed(own)}. Name one of them as “Sensor”.")
    return own[sensor] if sensor else find_weights(place, [], False)


def _run(folder: Path) -> dict[str, Any]:
    """What the run says that the encoder is of; empty of encoders that lie elsewhere."""
    path = folder / RUN_CARD
    return run_record.read_card(str(path)) if path.is_file() else {}


def _numbers(tensor: Any) -> int:
    return int(tensor.numel())


def _card(entry: catalog.Entry, about: About, run: dict[str, Any], numbers: int, alone: bool) -> str:
    """The text of card.md; `alone`: the run has a decoder, too."""
    described = entry.described or {}
    source = described.get("source", {})
    datasets = run.get("datasets") or [run[key] for key in ("dataset",) if key in run] or [described[key] for key in ("dataset",) if key in described]
    pixel = described.get("resolution_m")
    facts = [
        ("trained on", about.data or ", ".join(str(one.get("name")) for one in datasets if isinstance(one, dict)) or source.get("title")),
        ("learned by", described.get("method")), ("epochs", run.get("epochs_run")), ("started from", (run.get("start") or {}).get("summary")),
        ("encoder", f"{entry.encoder}, {numbers} numbers"), ("decoder", "not shared; the run has one" if alone else None),
        ("sensor", entry.preset), ("bands, in this order", ", ".join(entry.bands)),
        ("pixels", f"{pixel[0]:g} × {pixel[1]:g} m" if pixel else None), ("takes", described.get("input") or described.get("scaling")),
        ("licence of the weights", entry.licence), ("licence they came with", source.get("licence")), ("paper", about.paper),
        ("project", about.project), ("address", entry.address), ("file", f"{entry.file}, {entry.bytes} bytes"), ("SHA-256", f"`{entry.sha256}`")]
    bands = [(row["name"], row.get("unit", "unknown"), row.get("centre"), row.get("spread")) for row in described["bands"]]
    return (f"# {_plain(entry.title)}\n\n`{catalog.PREFIX}{entry.name}`, where starting weights or “Import encoder” ask for weights.\n\n"
            f"{_table(('', ''), [(key, value) for key, value in facts if value not in (None, '')])}\n"
            "## Bands\n\nStored values, and with which centre and spread they were scaled:\n\n"
            f"{_table(('band', 'unit', 'centre', 'spread'), bands)}\n"
            f"## Scores\n\n{_measured(run)}\n"
            "## To use it\n\nCopy this folder into the folder of models of EO Pretrain for QGIS (`EOPRETRAIN_MODELS`, or `models` beside the "
            "engine). The checksum is tested each time.\n\n"
            "## Limits\n\n- Scores are of the data named above. Elsewhere, fine-tune from these weights and from scratch, and compare.\n"
            "- Images of another sensor, level, season or pixel size than those it was trained on make less of it.\n")


def _measured(run: dict[str, Any]) -> str:
    """What the run measured of the network whose encoder it is; where it kept a simple classifier, its own figures are of that one."""
    kept = run.get("kept", NETWORK)
    figures = run.get("metrics", {}) if kept == NETWORK else run["approaches"].get(NETWORK, {}).get("metrics", {})
    scores = [(name, f"{value:.4g}") for name, value in figures.items() if isinstance(value, (int, float)) and name not in NO_SCORES]
    if not scores:
        return "None: the weights came without a run that measured something.\n"
    scores += [(f"psnr of the {name} fill, without a network", f"{fill['psnr']:.4g}") for name, fill in run.get("fills", {}).get("all", {}).items()
               if name != "network"]
    better = "" if kept == NETWORK else f" The run itself kept {NAMES[kept]}, which was better there."
    return f"Of the run's network, on its validation tiles.{better}\n\n" + _table(("figure", "value"), scores)


def _table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join("" if cell is None else _plain(cell) for cell in line) + " |\n" for line in lines)


def _plain(value: object) -> str:
    """A value in a line or a cell of Markdown."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
