"""How far the tests of a model are from what it learned: areas apart, images without training data, independent points."""

import shutil

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import TILES, Dataset
from eo_pretrain_qgis.engine.runs.evaluation import measure_classifier
from eo_pretrain_qgis.engine.runs.further import Further
from eo_pretrain_qgis.engine.runs.points import apart_from, open_points
from eo_pretrain_qgis.engine.runs.validation import apart_grouping, least_distance
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes
from tests.listening import Listening
from tests.scenes import ORIGIN, UTM
from tests.scenes_points import land_points, write_points


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("validation")


@pytest.fixture(scope="module")
def run(place):
    """A regression that learned `land`, whose fields of 32 px are the tiles."""
    dataset = scenes.land_dataset(place)
    JOBS["finetune"].from_values({"dataset": str(dataset), "approach": "statistics", "output": str(place / "run")}).run(SILENT)
    return place / "run"


@pytest.fixture(scope="module")
def dataset(place, run):
    return Dataset.open(place / "land_dataset")


def field_of(dataset, split):
    """Row and column of the first field of a split."""
    row, col = dataset.tiles[["row", "col"]].iloc[dataset.indices(split)[0]]
    return int(row) // 32, int(col) // 32


def test_the_least_distance_is_that_of_the_gap(dataset):
    test, gap = dataset.indices("test"), dataset.description["split"]["leakage_distance_px"]
    assert least_distance(dataset, dataset, test) == pytest.approx(10 * gap, abs=1) and gap >= 32
    assert least_distance(dataset, dataset, dataset.indices("dropped")) == 0
    assert apart_grouping(dataset, dataset, test).of.tolist() == [0] * len(test), "of the one image that training saw"


def test_only_the_first_can_be_had_and_the_page_says_so(run):
    facts, pieces = measure_classifier(str(run), None, "test")
    parts, text = facts["validation"], "".join(pieces)
    assert parts["images"] is None and parts["points"] is None
    assert parts["areas"]["mean_iou"] == facts["model"]["mean_iou"] and parts["areas"]["counted"] == facts["model"]["pixels"]
    assert parts["areas"]["intervals"] == facts["model"]["intervals"]
    assert "Only the first can be had: every image that was tested also holds training tiles, and no independent points were given." in text
    assert "<td>independent points</td><td>–</td>" in text


def test_another_dataset_is_of_images_without_training_data(run, place):
    other = place / "other"
    other.mkdir()
    facts, pieces = measure_classifier(str(run), str(scenes.other_land_dataset(other)), "all")
    parts = facts["validation"]
    assert parts["areas"] is None and parts["images"]["counted"] == facts["model"]["pixels"]
    # It is another image of the same ground, and a figure that flatters says so.
    assert parts["images"]["distance_m"] == 0
    assert "The images touch ground that was learned from, so they are not disjoint from it" in "".join(pieces)
    assert "Only the first can be had" not in "".join(pieces)


def test_points_off_the_ground_that_was_learned_from_are_counted(run, place, dataset):
    heard = Listening()
    points = land_points(place)
    facts, pieces = measure_classifier(str(run), None, "test", heard, Further(points={"path": str(points)}, point_field="cover"))
    part = facts["validation"]["points"]
    learned = {(int(row) // 32, int(col) // 32) for row, col in dataset.tiles[["row", "col"]].iloc[
        np.concatenate([dataset.indices("training"), dataset.indices("validation")])].to_numpy()}
    rows = geopandas.read_file(points).to_crs(UTM).geometry
    fields = [(int((ORIGIN[1] - y) // 320), int((x - ORIGIN[0]) // 320)) for x, y in zip(rows.x, rows.y, strict=True)]
    free = sum(field not in learned for field in fields)
    assert 0 < free < 24 and part["counted"] == free
    assert f"{24 - free} of 24 points of {points} lie on ground that the model has learned from, and are left out." in heard.texts
    assert part["overall_accuracy"] == 1.0 and part["distance_m"] > 0
    assert "<td>independent points</td>" + f"<td>{free}</td>" in "".join(pieces) and "Only the first can be had" not in "".join(pieces)


def test_points_that_say_otherwise_lower_the_figures(run, place, dataset):
    row, col = field_of(dataset, "test")
    cover = ("crop", "forest")[(row + col) % 2]
    wrong = ("forest", "crop")[(row + col) % 2]
    pixels = 32 * np.array([row, col]) + np.array([[4, 4], [12, 12], [20, 20], [28, 28]])
    path = write_points(place / "some_wrong.gpkg", *pixels.T, [cover, cover, cover, wrong])
    facts, _ = measure_classifier(str(run), None, "test", SILENT, Further(points={"path": str(path)}, point_field="cover"))
    assert facts["validation"]["points"]["overall_accuracy"] == 0.75 and facts["validation"]["points"]["intervals"]["overall_accuracy"] is None


@pytest.mark.parametrize(("make", "field", "sentence"), [
    (lambda place, dataset: land_points(place), None, "Nothing says which field of .*points.gpkg holds the class; it has cover. Choose one"),
    (lambda place, dataset: scenes.land_fields(place), "cover", "fields.gpkg holds .*Polygon, but independent points are points. Choose"),
    (lambda place, dataset: write_points(place / "sea.gpkg", [1], [1], ["sea"]), "cover",
     "No point of .*sea.gpkg has a class of the model: “cover” holds sea, and the classes are .*crop.*Choose another field, or write these names"),
    (lambda place, dataset: write_points(place / "far.gpkg", [4000], [4000], ["crop"]), "cover",
     "None of the 1 points of .*far.gpkg lies where an image of .*land_dataset can be mapped. Choose points of this place"),
    (lambda place, dataset: write_points(place / "seen.gpkg", *(32 * np.array([field_of(dataset, "training")]).T + 9), ["crop"]), "cover",
     "All 1 points of .*seen.gpkg lie on ground that the model has learned from, so they test nothing. Choose others."),
])
def test_points_that_test_nothing_are_refused(run, place, dataset, make, field, sentence):
    with pytest.raises(DataError, match=sentence):
        measure_classifier(str(run), None, "test", SILENT, Further(points={"path": str(make(place, dataset))}, point_field=field))


def test_points_of_a_class_that_the_model_lacks_are_left_out(place, dataset):
    heard = Listening()
    path = write_points(place / "mixed.gpkg", [5, 6], [5, 6], ["crop", "sea"])
    assert len(open_points(Further(points={"path": str(path)}, point_field="cover"), dataset, heard)) == 1
    assert f"1 of 2 points of {path} are left out, because the model does not have their class: sea." in heard.texts


def test_points_that_are_there_twice_count_once(place, dataset):
    heard = Listening()
    path = write_points(place / "twice.gpkg", [5, 5, 40], [5, 5, 40], ["crop"] * 3)
    assert len(open_points(Further(points={"path": str(path)}, point_field="cover"), dataset, heard)) == 2
    assert heard.warnings == [
        f"1 of 3 places of {path} lie exactly on another one and have the same class; each counts once.",
        f"All 2 points of {path} are of one class, “crop”, which says nothing of what the map confuses with it. Add points of the other classes."]
    path = write_points(place / "both.gpkg", [5, 5], [5, 5], ["crop", "forest"])
    with pytest.raises(DataError, match="1 of 2 places of .*both.gpkg lie exactly on another one and have another class, such as “crop”"):
        open_points(Further(points={"path": str(path)}, point_field="cover"), dataset)


def test_points_need_a_map_of_pixels(tmp_path, place):
    from tests.engine.learning.tiny_scenes import write_scenes

    other = Dataset.open(write_scenes(tmp_path / "stripes"))
    with pytest.raises(DataError, match=r"Independent points are held against a map of pixels, and .*stripes has a class for every image. Make"):
        open_points(Further(points={"path": str(land_points(place))}, point_field="cover"), other)


def lucas_table(path, rows, cols, codes):
    """A table of LUCAS points at pixels of `land`, with one of another country."""
    points = geopandas.GeoSeries(shapely.points(ORIGIN[0] + 10 * np.asarray(cols) + 5, ORIGIN[1] - 10 * np.asarray(rows) - 5), crs=UTM).to_crs(4326)
    lines = ["POINT_ID,TH_LAT,TH_LONG,SURVEY_DATE,LC1", '9,38.7,-9.1,"01/05/18","B81"']
    lines += [f'{number},{point.y:.9f},{point.x:.9f},"21/07/18","{code}"' for number, (point, code) in enumerate(zip(points, codes, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_of_lucas_points_is_held_against_the_map(run, place, dataset):
    """Of five points of a test field three are right by the table of classes, one is wrong, and one has no class."""
    row, col = field_of(dataset, "test")
    right, wrong = (("B11", "C10"), ("C10", "B11"))[(row + col) % 2]
    pixels = 32 * np.array([row, col]) + np.array([[4, 4], [12, 12], [20, 20], [28, 28], [16, 4]])
    path = lucas_table(place / "EU_2018.csv", *pixels.T, [right, right, right, wrong, "G11"])
    (place / "covers.csv").write_text("code,class\nB11,crop\nC10,forest\nG11,\n", encoding="utf-8")
    heard = Listening()
    facts, pieces = measure_classifier(str(run), None, "test", heard, Further(lucas=str(path), class_table=str(place / "covers.csv")))
    part = facts["validation"]["points"]
    assert (part["counted"], part["overall_accuracy"], part["path"]) == (4, 0.75, str(path)) and part["distance_m"] > 0
    assert any("1 of 5 places of" in text and "have a code without a class and are left out: G11." in text for text in heard.texts)
    assert "<td>independent points</td><td>4</td>" in "".join(pieces)


def test_codes_of_lucas_are_classes_of_land_cover(place, dataset):
    classes = [{"value": row.value, "name": name, "color": row.color}
               for row, name in zip(dataset.classes, ("Cropland", "Tree cover"), strict=True)]
    named, heard = Dataset(dataset.folder, {**dataset.description, "classes": classes}), Listening()
    path = lucas_table(place / "codes.csv", [5, 6, 7, 8], [5, 6, 7, 8], ["B11", "C10", "c21", "G11"])
    found = open_points(Further(lucas=str(path)), named, heard)
    assert found.truth.tolist() == [0, 1, 1]
    assert f"1 of 4 points of {path} are left out, because the model does not have their class: Water." in heard.texts
    with pytest.raises(DataError, match="The classes of the map are crop, forest, and the table of LUCAS codes knows"):
        open_points(Further(lucas=str(path)), dataset)


def test_lucas_points_of_another_country_are_refused(run, place):
    path = place / "PT_2018.csv"
    path.write_text('POINT_ID,TH_LAT,TH_LONG,LC1\n1,38.7,-9.1,"B81"\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"No point of .*PT_2018.csv lies on .*land_dataset, which reaches over 15.0000 to .* Choose the table of the "
                                        "country and year of the dataset."):
        measure_classifier(str(run), None, "test", SILENT, Further(lucas=str(path)))


def test_where_training_lay_is_not_known(place, dataset, tmp_path):
    tiles = geopandas.read_file(dataset.folder / TILES)
    shutil.copytree(dataset.folder, tmp_path / "nowhere")
    tiles.assign(geometry=None).set_geometry("geometry").to_file(tmp_path / "nowhere" / TILES, layer="tiles", driver="GPKG")
    nowhere, heard = Dataset.open(tmp_path / "nowhere"), Listening()
    points = open_points(Further(points={"path": str(land_points(place))}, point_field="cover"), dataset)
    kept, distance = apart_from(points, nowhere, heard)
    assert len(kept) == 24 and distance is None
    assert heard.texts == [f"Whether points lie on ground that was learned from is not known: {nowhere.folder} does not say where its tiles lie."]
    assert least_distance(dataset, nowhere, dataset.indices("test")) is None
