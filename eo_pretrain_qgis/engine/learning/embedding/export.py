"""A network that embeds as a model file, which maps images as every other model does."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ....errors import ModelError
from ....progress import SILENT, Progress
from ...cards import ModelBand
from ...models import package
from ...models.identity import identified
from ...models.kinds import EMBEDDING, LARGEST_EMBEDDED, SERIES_EMBEDDING, block_sizes
from ...models.session import on_processor
from ...rasters.embeddings import LARGEST, band_names, embedding_name
from ..compared_images import probes, series_probes
from ..export import largest_difference, to_onnx, translated
from ..halo import measured, scene_side
from ..networks.monthly import PLACE
from .encoders import Known
from .networks import VERSION, ImageEmbedding, SeriesEmbedding, digest_parts, noise_like

#: Largest difference allowed between torch and onnxruntime: a quarter of a step of the stored values.
TOLERANCE = 0.25 / LARGEST
#: Steps of the stored values from which on a number counts as changed by where its block ends.
NOTICEABLE = 2.5
#: Pieces of noise on which the border of blocks is measured.
NOISES = 2
#: Metres of a pixel of the sensors whose presets begin so.
RESOLUTIONS = {"sentinel": 10.0, "landsat": 30.0}


def version_of(network: ImageEmbedding | SeriesEmbedding, known: Known) -> str:
    """Eight digits that are the same for the same encoder, number of numbers and way of making them, on every computer, and for no other.

    Where on Earth the series are, which some encoders are told, does not count: it is what is embedded, and not by what.
    """
    seen = network.seen
    facts = {"version": VERSION, "encoder": known.encoder, "count": network.count, "bent": getattr(network, "bent", None),
             "bands": [[band.name, band.unit, band.scale, band.offset, band.centre, band.spread, band.slope] for band in seen.bands],
             "season": asdict(seen.season) if seen.season else None}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for part in digest_parts([(name, tensor) for name, tensor in sorted(network.encoder.state_dict().items()) if name != PLACE]):
        digest.update(part)
    return digest.hexdigest()[:8]


def write_embedding(network: ImageEmbedding | SeriesEmbedding, known: Known, target: str, resolution: tuple[float, float], plugin_version: str,
                    progress: Progress = SILENT) -> package.Package:
    """Writes a network as a model file.

    Args:
        network: in evaluation mode.
        known: the weights that it was made of.
        target: the .onnx file to write.
        resolution: metres of a pixel (x, y), where neither the weights nor their sensor say.
        plugin_version: for the provenance.
        progress: told of every step.

    Raises:
        ModelError: it cannot be translated, or onnxruntime gives other numbers than torch.
    """
    seen, version = network.seen, version_of(network, known)
    progress.at(0, "Translating the network")
    if isinstance(network, SeriesEmbedding):
        task, stride, (content, difference, facts) = SERIES_EMBEDDING, 1, _of_series(network, known, progress)
    else:
        task, stride, (content, difference, facts) = EMBEDDING, network.stride, _of_images(network, known, progress)
    if not difference <= TOLERANCE:
        raise ModelError(f"The embedding of the encoder {known.encoder} differs from the network in torch by up to {difference:.2g}, more than the "
                         f"{TOLERANCE:.2g} allowed. Choose another encoder.")
    bands = [ModelBand(name, mean=0.0, std=0.5, minimum=-1.0, maximum=1.0, p001=-1.0, p999=1.0) for name in band_names(version, network.count)]
    usual = next(((metres, metres) for begin, metres in RESOLUTIONS.items() if seen.preset.startswith(begin)), resolution)
    package.write(content, identified({
        "task": task, "inputs": [package.taken(seen)], "synthetic": True,
        "target": {"sensor": embedding_name(version), "preset": "generic", "bands": [asdict(band) for band in bands]},
        "resolution_m": known.card.get("resolution_m") or usual, "classes": [],
        "tile_size": facts.get("block", 1), "architecture": "embedding", "encoder": known.encoder,
        "name": f"Embedding by {known.title}", "licence": known.licence,
        "stride": stride, **facts,
        "provenance": {"dataset": (known.card.get("dataset") or {}).get("name", ""), "start": known.title, "plugin_version": plugin_version,
                       "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}, version), target)
    return package.open(target)


def _of_images(network: ImageEmbedding, known: Known, progress: Progress) -> tuple[bytes, float, dict[str, Any]]:
    """The network as ONNX, how far it is from torch, and its blocks, whose border is measured on noise, so that it is that of the encoder."""
    seen, outputs = network.seen, ["embedding"]
    content = to_onnx(network, {seen.name: len(seen.bands)}, network.stride, known.encoder, outputs, progress.part(0, 0.4))
    session = on_processor(content)
    scenes = list(noise_like(seen, NOISES, scene_side(network.stride), 1))
    images = [{seen.name: image} for image in probes(scenes[0], network.stride)]
    difference = largest_difference(network, session, images, progress.part(0.4, 0.5))

    def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (np.abs(one - other) > NOTICEABLE / LARGEST).any(0)

    return content, difference, measured(session, seen, scenes, network.stride, progress.part(0.5, 1), lambda numbers: numbers, apart,
                                         LARGEST_EMBEDDED)


def _of_series(network: SeriesEmbedding, known: Known, progress: Progress) -> tuple[bytes, float, dict[str, Any]]:
    """The same of series, each of which is embedded by itself."""
    seen, (n, dates) = network.seen, (torch.export.Dim(axis, min=1) for axis in ("n", "dates"))
    example = torch.zeros(2, 7, len(seen.bands)), torch.zeros(2, 7)
    ports = {seen.name: (example[0], {0: n, 1: dates}), seen.days_port: (example[1], {0: n, 1: dates})}
    content = translated(network, ports, known.encoder, ["embedding"], progress.part(0, 0.7))
    return content, largest_difference(network, on_processor(content), series_probes("", seen), progress.part(0.7, 1)), {
        "halo": 0, **block_sizes(0, 1)}
