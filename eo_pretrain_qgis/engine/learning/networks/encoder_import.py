"""Foreign weights → a folder with encoder.safetensors, encoder.json, mapping.csv and report.html, from which any run can start."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from ....errors import ModelError
from ....outputs import new_folder
from ....progress import SILENT, Progress
from ....tables import write_table
from ...looks import html_page as page
from ...models import catalog
from ...models.downloads import file_sha256
from ...rasters.same_band import band_places
from ...rasters.sensors import PRESETS
from .class_networks import SCALED
from .encoder_files import OUR_SCALING, band_names, find_weights, read_card, write_encoder
from .encoders import TIMM, BareEncoder, build_encoder, check_encoder_name, input_weight
from .patch_encoders import weights_of
from .same_function import refuse_other_function, timm_names
from .starting_weights import Matched, is_ours, load_weights, take_over
from .tensor_names import COUNTER, pair_by_order, pair_names

#: Tried when nobody says which encoder a file is of; the names of others are looked up by the user.
CANDIDATES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2", "densenet121", "efficientnet-b0",
              "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4", "vgg16_bn")
ANY_BANDS = 3
L1C = ("sentinel2_l1c", "sentinel2_l1c_0400")


@dataclass(frozen=True)
class Wishes:
    """What can be chosen; the names are those of the job `import_encoder`, which explains them."""

    encoder: str | None = None
    bands: str | None = None
    preset: str = "generic"
    scaling: str = "unknown"
    for_bands: str | None = None
    missing_bands: str = "mean"
    licence: str | None = None
    paper: str | None = None


def import_encoder(source: str, output: str, wishes: Wishes, progress: Progress = SILENT) -> dict[str, Any]:
    """Reads weights from elsewhere and writes them as an encoder of ours.

    Args:
        source: a file, a folder, or ``catalogue:`` and a name.
        output: a new folder.
        wishes: what the file is and what it is wanted for.
        progress: told of a download and of what became of the tensors.

    Returns:
        ``output``, ``weights``, ``report``, ``mapping``, ``encoder_name``, and how many tensors were ``matched``, ``adapted`` and ``unused``.

    Raises:
        ModelError: the file cannot be read, is of another encoder or makes another function in it, or its bands are not known.
        DataError: the folder is used or the disk full.
    """
    progress.at(0, "Reading the weights")
    named = split_names(wishes.bands)
    path = find_weights(source, named, False, progress.part(0, 0.8))
    tensors, known = load_weights(path), read_card(path)
    if "guess" in known and not named:
        progress.message(known["guess"])
    encoder = wishes.encoder or known.get("encoder") or recognise(path, tensors)
    progress.at(0.85, f"Matching the tensors with {encoder}")
    count = _input_bands(path, encoder, tensors)
    card = _described(path, known, wishes, named, count)
    want = split_names(wishes.for_bands) or band_names(card)
    network = BareEncoder(build_encoder(encoder, len(want)))
    matched = take_over(network, path, tensors, card, want, wishes.missing_bands)
    _refuse_gaps(path, encoder, matched)
    if not is_ours(known, tensors):
        refuse_other_function(path, encoder, tensors)
    progress.message(matched.sentence())
    matched.warn(True, progress)
    with new_folder(output) as folder:
        facts: dict[str, Any] = {"method": "import", "encoder": encoder, "preset": card["preset"], "bands": _bands_of(card, want, matched),
                 **{key: card[key] for key in ("scaling", "input") if key in card},
                 "source": {**card["source"], "path": Path(path).name, "file_sha256": file_sha256(path, progress.part(0.9, 1))},
                 "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        write_encoder(str(folder), network.encoder.state_dict(), facts)
        rows = _mapping(network, matched)
        write_table(folder / "mapping.csv", [("tensor of the encoder", "tensor of the file", "shape", "what became of it"), *rows])
        _write_report(folder / "report.html", facts, matched, rows)
    return {"output": output, "weights": str(Path(output) / "encoder.safetensors"), "report": str(Path(output) / "report.html"),
            "mapping": str(Path(output) / "mapping.csv"), "encoder_name": encoder, "matched": len(matched.matched),
            "adapted": len(matched.adapted), "unused": len(matched.unused)}


def recognise(path: str, tensors: dict[str, torch.Tensor]) -> str:
    """The encoder whose tensors are all in the file, the largest where several are.

    Raises:
        ModelError: when it is none of `CANDIDATES`.
    """
    best, size, ordered = "", 0, ""
    for name in CANDIDATES:
        wanted, entrance, names = _wanted(name)
        if size < len(wanted) <= len(tensors) and _fits(tensors, pair_names(list(tensors), names), wanted, entrance):
            best, size = name, len(wanted)
        elif not ordered and pair_by_order(tensors, wanted, entrance):
            ordered = name
    for name in () if best else (f"{TIMM}{named}" for named in timm_names(path)):
        wanted, entrance, names = _wanted(name)
        best = name if _fits(tensors, pair_names(list(tensors), names), wanted, entrance) else best
    if not best and not ordered:
        raise ModelError(f"{path} is of none of the encoders that are recognised ({', '.join(CANDIDATES)}); it begins with "
                         f"{', '.join(list(tensors)[:3])}. Name its encoder, such as tu-convnext_atto for one of timm.")
    return best or ordered


def chosen_encoder(start: str, given: str | None, bands: list[str], progress: Progress = SILENT) -> str:
    """The encoder of a network that is to start from weights: theirs.

    Args:
        start: see `encoder_files.find_weights`.
        given: what the user asked for, if anything.
        bands: names of the bands of the network.
        progress: told of a download, and of an encoder that was recognised.

    Raises:
        ModelError: the weights are of another encoder than `given`, or of none that is known.
    """
    file = find_weights(start, bands, True, progress.part(0, 0))
    known = read_card(file).get("encoder")
    if given and known and weights_of(given) != weights_of(known):
        raise ModelError(f"{start} does not fit the encoder “{given}” that was asked for: its weights are of “{known}”. Leave “Encoder” empty to "
                         "take theirs, or choose other starting weights.")
    if given or known:
        return str(given or known)
    found = recognise(file, load_weights(file))
    progress.message(f"The starting weights {file} are of the encoder {found}.")
    return found


def _wanted(name: str) -> tuple[dict[str, torch.Tensor], str, list[str]]:
    """The tensors of an encoder, without numbers, the first layer among them, and their names.

    Raises:
        ModelError: see `build_encoder`.
    """
    check_encoder_name(name)
    with torch.device("meta"):
        network = BareEncoder(smp.encoders.get_encoder(name, in_channels=ANY_BANDS, weights=None))
    wanted = {key: tensor for key, tensor in network.state_dict().items() if not key.endswith(COUNTER)}
    return wanted, "encoder." + input_weight(network.encoder, ANY_BANDS), list(wanted)


def _fits(tensors: dict[str, torch.Tensor], pairs: dict[str, str], wanted: dict[str, torch.Tensor], entrance: str) -> bool:
    return all(key in pairs and (key == entrance or tensors[pairs[key]].shape == tensor.shape) for key, tensor in wanted.items())


def split_names(text: str | None) -> list[str]:
    """Names of bands, separated by commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _pairs(network: nn.Module, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    return pair_names(list(tensors), [name for name in network.state_dict() if not name.endswith(COUNTER)])


def _input_bands(path: str, encoder: str, tensors: dict[str, torch.Tensor]) -> int:
    """Number of bands the first layer of the file takes."""
    network = BareEncoder(build_encoder(encoder, ANY_BANDS))
    entrance, pairs = "encoder." + input_weight(network.encoder, ANY_BANDS), _pairs(network, tensors)
    target = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    name = (pairs if entrance in pairs else pair_by_order(tensors, target, entrance)).get(entrance, "")
    if name not in tensors or tensors[name].ndim != 4:
        raise ModelError(f"{path} does not fit the encoder {encoder}: it has no tensor for the first layer; it begins with "
                         f"{', '.join(list(tensors)[:3])}. Name the encoder these weights were made for.")
    return tensors[name].shape[1]


def _described(path: str, known: dict[str, Any], wishes: Wishes, named: list[str], count: int) -> dict[str, Any]:
    """The card of the file: what is known of it, and what the user says of it."""
    names = named or band_names(known)
    if not names:
        example = "VV,VH" if count == 2 else "B04,B03,B02" if count == 3 else "B01,B02,B03,B04"
        raise ModelError(f"{path} takes {count} bands and does not say which. Name them in order in “Bands of the weights”, such as {example}.")
    if len(names) != count:
        said = "“Bands of the weights” names" if named else "The JSON beside it names"
        raise ModelError(f"{said} {len(names)} bands ({', '.join(names)}), but the first layer of {path} takes {count}. "
                         "Give one name for each band, in the order of the weights.")
    source = {"path": path, **known.get("source", {})}
    source.update({key: value for key, value in (("licence", wishes.licence), ("paper", wishes.paper)) if value})
    if known and not named:
        ours = "scaling" not in known and str(known.get("format", "")).startswith("eo-pretrain")
        scaling = {"scaling": OUR_SCALING, "input": SCALED} if ours else {"scaling": "unknown"}
        return {"preset": "generic", **scaling, **known, "source": source}
    expects = statistics = None
    if wishes.scaling == "reflectance":
        band = PRESETS[wishes.preset].bands[0]
        first = 0.0 - band.offset / band.scale
        expects = {"centre": first, "spread": 1 / band.scale}
        if wishes.preset in L1C:
            statistics = {name: [mean + first, deviation] for name, (mean, deviation) in catalog.statistics("ssl4eo_s12_l1c").items()}
    return {"preset": wishes.preset, "bands": catalog.band_cards(names, wishes.preset, expects, statistics),
            "scaling": "linear" if expects else wishes.scaling, "source": source}


def _refuse_gaps(path: str, encoder: str, matched: Matched) -> None:
    if matched.left_new:
        names = [name.removeprefix("encoder.") for name in matched.left_new]
        raise ModelError(f"{path} does not fit the encoder {encoder}: {len(names)} of its tensors are missing or of another shape, the first "
                         f"is {names[0]}. Name the encoder these weights were made for.")


def _bands_of(card: dict[str, Any], want: list[str], matched: Matched) -> list[dict[str, Any]]:
    """The bands the written encoder takes, with the centre and spread it expects now."""
    places = band_places(band_names(card), want)
    bands = [new if place is None else {**card["bands"][place], "name": new["name"]}
             for place, new in zip(places, catalog.band_cards(want, card["preset"]))]
    for band in bands if matched.scaling else ():
        if "mean" in band:
            band.update(centre=band["mean"], spread=band["std"])
    return bands


def _mapping(network: nn.Module, matched: Matched) -> list[tuple[str, str, str, str]]:
    """A row for each tensor of the encoder, and one for each of the file that was not used."""
    rows = []
    for name, tensor in network.state_dict().items():
        if not name.endswith(COUNTER):
            became = "adapted to the bands" if name in matched.adapted else "taken over"
            shape = " × ".join(map(str, tensor.shape))
            rows.append((name.removeprefix("encoder."), matched.pairs.get(name, ""), shape, became))
    return rows + [("", name, "", "not used") for name in matched.unused]


def _write_report(path: Path, facts: dict[str, Any], matched: Matched, rows: list[tuple[str, str, str, str]]) -> None:
    source = facts["source"]
    title = source.get("title") or Path(source["path"]).name
    settings = [("encoder", facts["encoder"]), *((key, source[key]) for key in ("path", "address", "licence", "paper", "project", "file_sha256")
                                                 if source.get(key))]
    bands = [(band["name"], band.get("unit", "unknown"), band.get("centre"), band.get("spread")) for band in facts["bands"]]
    limits = ["The numbers of the weights were not tried on images: fine-tune from them and from scratch, and compare.",
              "Images of another sensor, level or pixel size than those they were trained on make less of them."]
    if not matched.scaling and facts["scaling"] == "unknown":
        limits.insert(0, "The scaling these weights expect is not known, so the first layer was left as it is; it sees bands scaled to mean 0 "
                         "and deviation 1.")
    page.write_page(str(path), f"Imported encoder: {title}", [
        page.paragraph(matched.sentence()), page.heading("Weights"), page.table(("", "value"), settings),
        page.heading("Bands it takes"),
        page.paragraph(facts.get("input", "The first layer expects (stored value - centre) / spread where these are known.")),
        page.table(("band", "unit", "centre", "spread"), bands),
        *page.not_shown(limits),
        page.heading("Tensors"), page.table(("tensor of the encoder", "tensor of the file", "shape", "what became of it"), rows)])
