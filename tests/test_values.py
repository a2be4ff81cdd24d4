"""How values from outside are read, kind by kind, and the sentences that refuse them."""

import json
import os
from dataclasses import dataclass

import pytest

from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import JOBS, files, spec
from eo_pretrain_qgis.jobs.prepare_data.create_training_dataset import CreateTrainingDataset


@dataclass(frozen=True)
class Example(spec.Job):
    """Shows every kind."""

    image: dict = spec.raster("Image", optional=True)
    several: list = spec.rasters("Images", optional=True)
    labels: list = spec.layers("Labels", optional=True)
    masks: list = spec.rasters("Masks", optional=True, repeats=True)
    tables: list = spec.files("Tables", optional=True)
    count: int = spec.integer("Count", default=None, minimum=1, maximum=9)
    rate: float = spec.number("Rate", default=0.5, minimum=0)
    free: float = spec.pixel_value("Free")
    seed: int = spec.integer("Seed", default=1, minimum=0, maximum=spec.LARGEST_SEED)
    note: str = spec.text("Note", default=None)
    fields: dict = spec.vector("Fields", optional=True)
    flag: bool = spec.boolean("Flag")
    word: str = spec.choice("Word", {"one": "The first", "two": "The second"}, default="one")
    finer: str = spec.choice("Finer", ("1", "2", "4"), default="1")
    area: dict = spec.extent("Area", optional=True)
    table: list = spec.classes("Table", optional=True)
    model: str = spec.file("Model", extension="onnx", optional=True)
    trained: str = spec.file("Trained", "onnx", "bundled", words=("bundled", "none"))
    start: str = spec.weights("Start", optional=True)
    drawn: int = spec.integer("Drawn", default=5, optional=True)
    kept: str = spec.text("Kept", default="all")
    output: str = spec.raster_output(optional=True)
    other: str = spec.raster_output("Other", optional=True)


@pytest.mark.parametrize(("values", "name", "expected"), [
    ({"image": "a.tif"}, "image", {"path": "a.tif"}),
    ({"image": {"path": "a.tif", "nodata": [[0]]}}, "image", {"path": "a.tif", "nodata": [[0]]}),
    ({"image": {"path": "a.tif", "own_nodata": [False, True], "categories": {"band": 2}}}, "image",
     {"path": "a.tif", "own_nodata": [False, True], "categories": {"band": 2, "classes": []}}),
    ({"several": "a.tif"}, "several", [{"path": "a.tif"}]),
    ({"several": ["a.tif", "b.tif"]}, "several", [{"path": "a.tif"}, {"path": "b.tif"}]),
    ({"count": "3"}, "count", 3),
    ({"count": 3.0}, "count", 3),
    ({"count": None}, "count", None),
    ({"rate": 0}, "rate", 0.0),
    ({"rate": None}, "rate", 0.5),
    ({"flag": "yes"}, "flag", True),
    ({"word": 1}, "word", "two"),
    ({"word": "0"}, "word", "one"),
    ({"finer": "2"}, "finer", "2"),
    ({"finer": 2}, "finer", "2"),
    ({"flag": False}, "flag", False),
    ({"area": "1,3,2,4 [EPSG:4326]"}, "area", {"box": [1, 2, 3, 4], "crs": "EPSG:4326"}),
    ({"area": "1,3,2,4"}, "area", {"box": [1, 2, 3, 4], "crs": ""}),
    ({"table": [["1", "water", "#0000ff"]]}, "table", [{"value": "1", "name": "water", "color": "#0000ff"}]),
    ({"start": "catalogue:imagenet_resnet18"}, "start", "catalogue:imagenet_resnet18"),
    ({"start": {"path": "/"}}, "start", "/"),
    ({}, "trained", "bundled"),
    ({}, "drawn", 5),
    ({"drawn": ""}, "drawn", None),
    ({"drawn": None}, "drawn", None),
    ({"count": ""}, "count", None),
    ({"several": ""}, "several", None),
    ({"kept": None}, "kept", "all"),
    ({"trained": "none"}, "trained", "none"),
    ({"table": '[{"value": 2}]'}, "table", [{"value": "2", "name": "2", "color": ""}]),
    ({"table": [[1, "two\nlines"]]}, "table", [{"value": "1", "name": "two lines", "color": ""}]),
    ({"image": {"path": "a.tif", "nodata": [[0], None, [1.5]], "crs": None}}, "image", {"path": "a.tif", "nodata": [[0], [], [1.5]]}),
    ({"image": {"path": "a.tif", "open_options": ["num_threads=2", "mode=w"]}}, "image",
     {"path": "a.tif", "open_options": ["NUM_THREADS=2", "MODE=w"]}),
    ({"image": {"path": "a.tif", "date": "2020-02-29", "name": "a\tb"}}, "image", {"path": "a.tif", "date": "2020-02-29", "name": "a\tb"}),
    ({"image": {"path": "a.tif", "categories": {"classes": [{"value": 1, "name": "a\x01b", "color": "#ff0000"}, {"value": ""}]}}}, "image",
     {"path": "a.tif", "categories": {"classes": [{"value": "1", "name": "a\ufffdb", "color": "#ff0000"}]}}),
    ({"image": "new\nline.tif"}, "image", {"path": "new\nline.tif"}),
    ({"area": {"box": ["1", 2, 3, 4.5]}}, "area", {"box": [1, 2, 3, 4.5], "crs": ""}),
    ({"free": 3.5}, "free", 3.5),
])
def test_reads(values, name, expected):
    assert getattr(Example.from_values(values), name) == expected


@pytest.mark.parametrize(("values", "sentence"), [
    ({"count": 0}, "“Count” (count) is 0, but must be between 1 and 9."),
    ({"count": 2.5}, "must be a whole number"),
    ({"count": "many"}, "must be a number"),
    ({"count": True}, "must be a number"),
    ({"rate": "nan"}, "must be a finite number"),
    ({"rate": ""}, "“Rate” (rate) is empty. Give a value, or leave it out for its default, 0.5."),
    ({"flag": ""}, "“Flag” (flag) is empty. Give a value, or leave it out for its default, False."),
    ({"word": ""}, "“Word” (word) is empty. Give a value, or leave it out for its default, one."),
    ({"trained": ""}, "“Trained” (trained) is empty. Give a value, or leave it out for its default, bundled."),
    ({"kept": ""}, "“Kept” (kept) is empty. Give a value, or leave it out for its default, all."),
    ({"rate": -1}, "must be at least 0"),
    ({"flag": "perhaps"}, "must be true or false"),
    ({"word": "three"}, "“Word” (word) is 'three', but must be one of: one, two."),
    ({"area": "1,2,3"}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": "3,1,2,4"}, "a rectangle with an area"),
    ({"image": 7}, "a file path or a layer"),
    ({"table": [["1", "a", "red"]]}, "“Table” (table): row 1 has the colour 'red'. Write a colour such as #1f77b4, or leave it empty."),
    ({"table": [["1", "a", ""], ["1", "b", ""]]}, "row 2 has the value '1', which stands in row 1 already. Give each value once."),
    ({"table": [["", "a", ""]]}, "row 1 has no value (its name is 'a'). Write the value that the class has in the labels"),
    ({"model": "nowhere.onnx"}, "there is no file nowhere.onnx"),
    ({"trained": "nothing"}, "“Trained” (trained): there is no file nothing. Choose an existing file."),
    ({"start": "nowhere.pth"}, "there is no file or folder nowhere.pth. Choose a file of weights, the folder of a run, or catalogue:"),
    ({"start": __file__}, "must end in .safetensors or .pth"),
    ({"start": 7}, "must be a file of weights, the folder of a run, or catalogue: and a name"),
    ({"output": "map.png"}, "map.png must end in .tif"),
    ({"output": "/vsimem/map.tif"}, "“Map” (output): /vsimem/map.tif is no place on a disk, and results are written to disks alone. Choose a path"),
    ({"output": "/vsizip/a.zip/map.tif"}, "is no place on a disk"),
    ({"output": "S3://bucket/map.tif"}, "S3://bucket/map.tif is no place on a disk"),
    ({"output": "file:///tmp/map.tif"}, "is no place on a disk"),
    ({"image": "a.tif", "output": "a.tif"}, "“Map” and “Image” are the same file, a.tif"),
    ({"output": "a.tif", "other": "a.tif"}, "are the same file"),
    ({"seed": 2**32}, "“Seed” (seed) is 4294967296, but must be between 0 and 4294967295."),
    ({"seed": 10**400}, "but must be between 0 and 4294967295."),
    ({"seed": 10**5000}, "“Seed” (seed) is a number of thousands of digits, but must be between 0 and 4294967295."),
    ({"seed": "9" * 6000}, "but must be between 0 and 4294967295."),
    ({"rate": -10**400}, "but must be at least 0."),
    ({"free": "1e999"}, "“Free” (free) is '1e999', but must be a finite number."),
    ({"free": 10**400}, "but must be a finite number."),
    ({"free": float("nan")}, "but must be a finite number."),
    ({"free": [1, 2]}, "is [1, 2], but must be a number."),
    ({"free": {"path": 1}}, "but must be a number."),
    ({"flag": [True, False]}, "must be true or false"),
    ({"flag": 10**5000}, "must be true or false"),
    ({"flag": 2}, "must be true or false"),
    ({"word": ["one", "two"]}, "must be one of"),
    ({"word": 2}, "“Word” (word) is 2, but must be one of: one, two."),
    ({"word": -1}, "must be one of"),
    ({"word": True}, "must be one of"),
    ({"word": "9" * 5000}, "must be one of"),
    ({"word": 10**5000}, "must be one of"),
    ({"finer": 0}, "must be one of: 1, 2, 4."),
    ({"word": {}}, "must be one of"),
    ({"word": "x" * 10_000}, "must be one of"),
    ({"note": [""]}, "is [''], but must be a value, or left out."),
    ({"output": [""]}, "is [''], but must be a value, or left out."),
    ({"output": {"path": ""}}, "is {'path': ''}, but must be a path."),
    ({"note": True}, "is True, but must be text."),
    ({"note": 10**5000}, "but must be text."),
    ({"note": "a\x00b"}, "which holds the character U+0000. Leave it out."),
    ({"note": "a\u202eb"}, "which holds the character U+202E. Leave it out."),
    ({"image": {"path": "a.tif", "name": "a\u2066b"}}, "which holds the character U+2066. Leave it out."),
    ({"note": "a" * 10_000}, "has 10000 characters, beginning with"),
    ({"note": "a\udc80b"}, "is 'a\\udc80b', a name that is not UTF-8. Rename"),
    ({"image": "a\x00.tif"}, "holds the character U+0000"),
    ({"image": "a\udcff.tif"}, "a name that is not UTF-8"),
    ({"output": "a\udcff.tif"}, "a name that is not UTF-8"),
    ({"output": "a\x00.tif"}, "holds the character U+0000"),
    ({"output": "a" * 5000 + ".tif"}, "has 5004 characters"),
    ({"model": "a" * 4000 + ".onnx"}, "there is no file aaa"),
    ({"several": ["a.tif", ""]}, "a file path or a layer"),
    ({"several": [["a.tif"]]}, "a file path or a layer"),
    ({"several": [None]}, "a file path or a layer"),
    ({"image": {"path": 5}}, "a file path or a layer"),
    ({"image": {"path": "a.tif", "own_nodata": [0]}}, "given with own_nodata as true or false for each band"),
    ({"image": {"path": "a.tif", "categories": {"band": 0}}}, "given with categories of a band between 1 and 65536"),
    ({"image": {"path": "a.tif", "nodata": [["x"]]}}, "given with nodata values that are numbers"),
    ({"image": {"path": "a.tif", "nodata": [10**400]}}, "nodata values as a list for each band"),
    ({"image": {"path": "a.tif", "nodata": [[10**400]]}}, "given with nodata values that are numbers"),
    ({"image": {"path": "a.tif", "nodata": 5}}, "nodata values as a list for each band"),
    ({"image": {"path": "a.tif", "open_options": "A=1"}}, "given with open options such as NUM_THREADS=2"),
    ({"image": {"path": "a.tif", "open_options": ["A"]}}, "given with open options"),
    ({"image": {"path": "a.tif", "open_options": [5]}}, "given with open options"),
    ({"image": {"path": "a.tif", "date": "2020-02-30"}}, "is '2020-02-30', but must be given with a date such as 2020-06-21."),
    ({"image": {"path": "a.tif", "date": 2020}}, "given with a date"),
    ({"image": {"path": "a.tif", "layer": "b"}}, "has the part 'layer', which a layer of this kind does not have"),
    ({"image": {"path": "a.tif", "crs": 4326}}, "given with a CRS such as EPSG:32633"),
    ({"image": {"path": "a.tif", "categories": []}}, "categories that have a field and classes"),
    ({"image": {"path": "a.tif", "categories": {"classes": 5}}}, "categories that have a field and classes"),
    ({"image": {"path": "a.tif", "categories": {"classes": [5]}}}, "class 1 of the symbology is 5, which is no row of a table."),
    ({"image": {"path": "a.tif", "categories": {"classes": [{"value": 1, "color": "red"}]}}}, "a colour such as #1f77b4"),
    ({"fields": {"path": "a.gpkg", "nodata": [[0]]}}, "has the part 'nodata'"),
    ({"fields": {"path": "a.gpkg", "categories": {"field": 5}}}, "categories that have a field and classes"),
    ({"area": {"box": None}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {"box": "1234"}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": ["a", "b", "c", "d"]}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {"box": ["a", 1, 2, 3]}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {"box": [True, 1, 2, 3]}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {"box": [0, 0, float("nan"), 3]}}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"area": {"box": [0, 0, 10**400, 3]}}, "coordinates below 1e+11"),
    ({"area": "0,1e999,0,1"}, "coordinates below 1e+11"),
    ({"area": {"box": [0, 0, 1, 1], "crs": 4326}}, "given with a CRS such as EPSG:32633"),
    ({"area": "x" * 10_000}, "xmin,xmax,ymin,ymax [EPSG:code]"),
    ({"table": True}, "must be a table of classes, or a CSV file"),
    ({"table": {"value": 1}}, "must be a table of classes, or a CSV file"),
    ({"table": "["}, "is '[', but must be a list of rows in JSON"),
    ({"table": "[" * 100_000}, "must be a list of rows in JSON"),
    ({"table": [5]}, "row 1 is 5, which is no row of a table. Write value, name and colour, such as [1, \"water\", \"#0000ff\"]."),
    ({"table": ["ab"]}, "row 1 is 'ab', which is no row of a table."),
    ({"table": [[1, "a", "", "more"]]}, "row 1 has 4 cells: [1, 'a', '', 'more']. Write value, name and colour only."),
    ({"table": [{"value": [1]}]}, "is [1], but must be text."),
    ({"table": [{"value": True}]}, "must be text."),
    ({"table": [{"value": 10**5000}]}, "must be text."),
    ({"table": [[1, "a", 5]]}, "a colour such as #1f77b4"),
    ({"table": [[1, "a\x01"]]}, "which holds the character U+0001. Leave it out."),
    ({"table": [[1, "a\ud800"]]}, "a name that is not UTF-8"),
    ({"table": [["1", "a"], ["1.0", "b"]]}, "row 2 has the value '1', which stands in row 1 already."),
    ({"table": [[str(number), "a"] for number in range(5000)] + [["7", "b"]]}, "row 5001 has the value '7', which stands in row 8 already."),
    ({5: 1}, "has no parameter “5”"),
    ({"x" * 10_000: 1}, "has no parameter “xxx"),
    ([], "The values of test_values are [], but must be parameters by name."),
    ({"worde": "one"}, "has no parameter “worde”; did you mean “word”?"),
])
def test_refuses(values, sentence):
    with pytest.raises(JobError) as caught:
        Example.from_values(values)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 600


def called(path, name, how):
    """`path` by another name: in another spelling, through a link, or as a second name of the same file."""
    if how == "spelling":
        return path.parent / ".." / path.parent.name / path.name
    other = path.parent / name
    other.symlink_to(path) if how == "link" else os.link(path, other)
    return other


@pytest.mark.parametrize("how", ["spelling", "link", "second name"])
@pytest.mark.parametrize("name", ["several", "labels", "tables"])
def test_one_file_twice_in_a_list_is_refused(folder, name, how):
    first, other = folder / "a.tif", folder / "b.tif"
    for path in (first, other):
        path.write_text(path.name)
    assert len(getattr(Example.from_values({name: [str(first), str(other)]}), name)) == 2
    again = called(first, "c.tif", how)
    with pytest.raises(JobError) as caught:
        Example.from_values({name: [str(first), str(other), str(again)]})
    assert str(caught.value).endswith(f"({name}) names one file twice, as {first} and as {again}. Give each file once.")
    with pytest.raises(JobError, match=r"\) names .*a\.tif twice\. Give each file once\."):
        Example.from_values({name: [str(first), str(first)]})


def test_letters_that_the_disk_takes_for_the_same_name_one_file(folder, monkeypatch):
    """As on Windows and macOS, where a.tif and A.TIF are one file."""
    there, stat = folder / "a.tif", os.stat
    there.touch()
    monkeypatch.setattr(files.os, "stat", lambda path: stat(str(path).lower().replace(str(folder).lower(), str(folder))))
    with pytest.raises(JobError, match=r"names one file twice, as .*a\.tif and as .*A\.TIF\."):
        Example.from_values({"several": [str(there), str(folder / "A.TIF")]})


@pytest.mark.parametrize(("name", "listed"), [
    ("masks", ["{a}", "{a}"]),
    ("several", ["{a}|date=2019-04-05", "{a}|date=2019-04-10"]),
    ("several", ["/vsicurl/https://example.org/a.tif", "/vsicurl/https://example.org/A.tif"]),
    ("labels", [{"path": "{a}", "layer": "east"}, {"path": "{a}", "layer": "west"}]),
    ("labels", [{"path": "{a}", "categories": {"band": 1}}, {"path": "{a}", "categories": {"band": 2}}]),
])
def test_what_differs_in_one_file_may_be_given_together(folder, name, listed):
    (folder / "a.tif").touch()
    given = json.loads(json.dumps(listed).replace("{a}", str(folder / "a.tif")))
    assert len(getattr(Example.from_values({name: given}), name)) == 2


@pytest.mark.parametrize(("name", "listed"), [
    ("several", ["{a}|date=2019-04-05", "{a}|date=2019-04-05"]),
    ("several", ["/vsicurl/https://example.org/a.tif"] * 2),
    ("several", [{"path": "{a}", "nodata": [[0]]}, {"path": "{a}", "name": "again", "categories": {"band": 2}}]),
    ("labels", [{"path": "{a}", "layer": "east"}, {"path": "{a}", "layer": "east", "name": "again"}]),
])
def test_the_same_in_one_file_is_refused(folder, name, listed):
    (folder / "a.tif").touch()
    with pytest.raises(JobError, match=r"twice\. Give each file once\."):
        Example.from_values({name: json.loads(json.dumps(listed).replace("{a}", str(folder / "a.tif")))})


def test_only_lists_that_go_with_another_list_may_repeat():
    found = {f"{job} {name}" for job, kind in JOBS.items() for name, param in kind.parameters().items() if param.multiple and param.repeats}
    lists = {"cloud_masks", "second_cloud_masks", "masks", "hv", "incidence_layers"}
    assert {place for place in found if place.split()[1] not in lists} == {"create_field_dataset second_images"}
    assert not any(JOBS[job].parameters()["images"].repeats for job in JOBS if "images" in JOBS[job].parameters())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("text", ["value,name,color\n1,Gewässer,#0000ff\n2,land,\n", "Value;Name\r\n1;Gewässer\r\n2;land;\r\n"])
def test_table_from_csv(folder, text, encoding):
    path = folder / "classes.csv"
    path.write_bytes(text.encode(encoding))
    assert [row["name"] for row in Example.from_values({"table": str(path)}).table] == ["Gewässer", "land"]


@pytest.mark.parametrize(("content", "sentence"), [
    (b"", "classes.csv has no column “value”; it has none."), (b"name\na\n", "has no column “value”; it has name. Give it the headings"),
    (b"value,name\n1,a,b\n", "“Table” (table): Line 2 of"), (b"value\n\x00\n", "holds the character U+0000"),
    (b"value,name\n1,b\n\n,a\n", "line 4 of"), (b"value,name\n,a\n", "has no value (its name is 'a').")])
def test_no_table_in_csv(folder, content, sentence):
    path = folder / "classes.csv"
    path.write_bytes(content)
    with pytest.raises(JobError) as caught:
        Example.from_values({"table": str(path)})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("values", "sentence"), [
    ({"stride": 512}, "The stride (512 px) is larger than the tile (256 px)"),
    ({"validation_share": 0.5, "test_share": 0.5}, "take more than 0.8"),
])
def test_rules_between_parameters(values, sentence):
    with pytest.raises(JobError) as caught:
        CreateTrainingDataset.from_values({"images": ["a.tif"], "labels": "b.gpkg", "output": "out", **values})
    assert sentence in str(caught.value)
