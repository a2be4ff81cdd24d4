"""Inspect model: what a model wants and gives."""

from __future__ import annotations

from dataclasses import dataclass

from .spec import Job, file, file_output


@dataclass(frozen=True)
class InspectModel(Job):
    """Shows what a model file wants and gives: bands, units, ranges, resolution, classes, licence, origin and scores."""

    title = "Inspect model"
    group = "3 Train"
    tags = ("ONNX", "metadata", "bands", "classes", "provenance")
    results = {"bands": "text", "classes": "text", "resolution": "number", "model_id": "text"}

    model: str = file("Model", extension="onnx", help="Written by “Export model”.")
    output: str = file_output("Description", "html")
    facts: str = file_output("Description as JSON", "json", optional=True, created=False)
