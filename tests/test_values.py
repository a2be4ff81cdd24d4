"""How values from outside are read, kind by kind, and the sentences that refuse them."""

from dataclasses import dataclass

import pytest

from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import spec
from eo_pretrain_qgis.jobs.create_training_dataset import CreateTrainingDataset


@dataclass(frozen=True)
class Example(spec.Job):
    """Shows every kind."""

    image: dict = spec.raster("Image", optional=True)
    several: list = spec.rasters("Images", optional=True)
    count: int = spec.integer("Count", default=None, minimum=1, maximum=9)
    rate: float = spec.number("Rate", default=0.5, minimum=0)
    flag: bool = spec.boolean("Flag")
    word: str = spec.choice("Word", ("one", "two"), default="one")
    area: dict = spec.extent("Area", optional=True)
    table: list = spec.classes("Table", optional=True)
    model: str = spec.file("Model", extension="onnx", optional=True)
    start: str = spec.weights("Start", optional=True)
    output: str = spec.raster_output(optional=True)
    other: str = spec.raster_output("Other", optional=True)


@pytest.mark.parametrize(("values", "name", "expected"), [
    ({"image": "a.tif"}, "image", {"path": "a.tif"}),
    ({"image": {"path": "a.tif", "nodata": [[0]]}}, "image", {"path": "a.tif", "nodata": [[0]]}),
    ({"several": "a.tif"}, "several", [{"path": "a.tif"}]),
    ({"several": ["a.tif", "b.tif"]}, "several", [{"path": "a.tif"}, {"path": "b.tif"}]),
    ({"count": "3"}, "count", 3),
    ({"count": 3.0}, "count", 3),
    ({"count": None}, "count", None),
    ({"rate": 0}, "rate", 0.0),
    ({"rate": None}, "rate", 0.5),
    ({"flag": "yes"}, "flag", True),
    ({"flag": False}, "flag", False),
    ({"area": "1,3,2,4 [EPSG:4326]"}, "area", {"box": [1, 2, 3, 4], "crs": "EPSG:4326"}),
    ({"area": "1,3,2,4"}, "area", {"box": [1, 2, 3, 4], "crs": ""}),
    ({"table": [["1", "water", "#0000ff"]]}, "table", [{"value": "1", "name": "water", "color": "#0000ff"}]),
    ({"start": "catalogue:resnet18"}, "start", "catalogue:resnet18"),
    ({"start": {"path": "/"}}, "start", "/"),
    ({"table": '[{"value": 2}]'}, "table", [{"value": "2", "name": "2", "color": ""}]),
])
def test_reads(values, name, expected):
    assert getattr(Example.from_values(values), name) == expected


@pytest.mark.parametrize(("values", "sentence"), [
    ({"count": 0}, "“Count” (count) is 0, but must be between 1 and 9."),
    ({"count": 2.5}, "must be a whole number"),
    ({"count": "many"}, "must be a number"),
    ({"count": True}, "must be a number"),
    ({"rate": "nan"}, "must be a finite number"),
    ({"rate": -1}, "must be at least 0"),
    ({"flag": "perhaps"}, "must be true or false"),
    ({"word": "three"}, "“Word” (word) is 'three', but must be one of: one, two."),
    ({"area": "1,2,3"}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": "3,1,2,4"}, "a rectangle with an area"),
    ({"image": 7}, "a file path or a layer"),
    ({"table": [["1", "a", "red"]]}, "a colour such as #1f77b4"),
    ({"table": [["1", "a", ""], ["1", "b", ""]]}, "no value stands twice"),
    ({"table": [["", "a", ""]]}, "every row has a value"),
    ({"model": "nowhere.onnx"}, "there is no file nowhere.onnx"),
    ({"start": "nowhere.pth"}, "there is no file or folder nowhere.pth. Choose a file of weights, the folder of a run, or catalogue:"),
    ({"start": __file__}, "must end in .safetensors or .pth"),
    ({"start": 7}, "must be a file of weights, the folder of a run, or catalogue: and a name"),
    ({"output": "map.png"}, "map.png must end in .tif"),
    ({"image": "a.tif", "output": "a.tif"}, "“Map” and “Image” are the same file, a.tif"),
    ({"output": "a.tif", "other": "a.tif"}, "are the same file"),
    ({"worde": "one"}, "has no parameter “worde”; did you mean “word”?"),
])
def test_refuses(values, sentence):
    with pytest.raises(JobError) as caught:
        Example.from_values(values)
    assert sentence in str(caught.value)


def test_table_from_csv(folder):
    path = folder / "classes.csv"
    path.write_text("value,name,color\n1,water,#0000ff\n2,land,\n", encoding="utf-8")
    assert [row["name"] for row in Example.from_values({"table": str(path)}).table] == ["water", "land"]


@pytest.mark.parametrize(("values", "sentence"), [
    ({"stride": 512}, "The stride (512 px) is larger than the tile (256 px)"),
    ({"validation_share": 0.5, "test_share": 0.5}, "take more than 0.8"),
])
def test_rules_between_parameters(values, sentence):
    with pytest.raises(JobError) as caught:
        CreateTrainingDataset.from_values({"images": ["a.tif"], "labels": "b.gpkg", "output": "out", **values})
    assert sentence in str(caught.value)
