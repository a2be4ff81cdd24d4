"""Hours from a radar scene to the optical scenes that polygons were drawn from: kept for each patch, and a limit to them."""

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes_ice import ICE_ORIGIN, POLAR, ice_optical, ice_polygons, ice_scene, ice_timed


def built(folder, optical, image=ice_timed, **given):
    heard = Listening()
    values = {"images": [str(image(folder))], "labels": str(ice_polygons(folder)), "class_field": "ice_kind", "optical": str(optical), "size": 20,
              "stride": 20, "validation_share": 0, "test_share": 0, "output": str(folder / "dataset"), **given}
    JOBS["create_sea_ice_dataset"].from_values(values).run(heard)
    return Dataset.open(folder / "dataset"), heard


def test_the_nearest_scene_in_time_that_shows_the_polygon_counts(tmp_path):
    """By hand: 12 polygons of 16 patches in four columns; scenes show columns 1 to 3 at 20:00 the day before, 2 and 3 at 09:30, 3 at 07:45."""
    data, heard = built(tmp_path, ice_optical(tmp_path))
    hours, columns = data.tiles["optical_hours"].to_numpy(), (data.column("polygon") - 1) % 4
    assert len(data) == 12 * 16
    assert np.isnan(hours[columns == 3]).all()
    assert [set(hours[columns == column].tolist()) for column in range(3)] == [{-12.0}, {1.5}, {-0.25}]
    assert data.facts["optical"] == {"path": str(tmp_path / "optical.gpkg"), "most_hours": None, "without": 48, "median_hours": 1.5,
                                     "largest_hours": 12.0}
    assert "9 of 12 labelled polygons are shown by an optical scene, 0.2 to 12.0 hours from the radar scene." in heard.texts
    write_report(tmp_path / "report.html", data, describe(data))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1.5 hours from its image in the median, 12 hours at most" in page and "48 patches are of polygons that none shows" in page


def test_polygons_that_were_seen_too_long_before_or_after_give_no_patches(tmp_path):
    data, heard = built(tmp_path, ice_optical(tmp_path), most_hours=2)
    assert set(data.tiles["optical_hours"].to_numpy().tolist()) == {1.5, -0.25} and len(data) == 6 * 16
    assert data.facts["optical"]["without"] == 0
    assert "6 of 12 labelled polygons are shown by an optical scene within 2 hours, 0.2 to 1.5 hours from the radar scene." in heard.texts


def test_copies_of_patches_keep_the_hours(tmp_path):
    fewer = tmp_path / "fewer.gpkg"
    geopandas.read_file(ice_polygons(tmp_path))[1:].to_file(fewer)
    data, _ = built(tmp_path, ice_optical(tmp_path), labels=str(fewer), balance="augment")
    copied, hours = data.column("augmented") > 0, data.tiles["optical_hours"].to_numpy()
    assert copied.sum() == 16
    np.testing.assert_array_equal(hours[copied], hours[data.column("source")[copied]])


@pytest.mark.parametrize(("fields", "sentence"), [
    ({"when": ["2022-05-03T07:45:00Z"]}, r"optical\.gpkg has no field “acquired”, which says when each optical scene was taken"),
    ({"acquired": ["2022-05-03"]}, r"“2022-05-03” in the field “acquired” is no time of day. Write times as 2023-04-05T05:12:34Z"),
])
def test_layers_that_do_not_tell_the_time_are_refused(tmp_path, fields, sentence):
    x, y = ICE_ORIGIN
    path = tmp_path / "optical.gpkg"
    geopandas.GeoDataFrame(fields, geometry=[shapely.box(x, y - 12_000, x + 16_000, y)], crs=POLAR).to_file(path)
    with pytest.raises(DataError, match=sentence):
        built(tmp_path, path)
    assert not (tmp_path / "dataset").exists()


def test_scenes_elsewhere_or_long_ago_and_images_without_a_time_are_refused(tmp_path):
    optical = ice_optical(tmp_path)
    with pytest.raises(DataError, match=r"No scene of .*optical\.gpkg shows a labelled polygon within 0\.1 hours of the radar scene"):
        built(tmp_path, optical, most_hours=0.1)
    with pytest.raises(DataError, match=r"The time of day of .*S1A_EW_20220503\.tif is not known, .* Put it into the name of the file"):
        built(tmp_path, optical, image=ice_scene)
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(("given", "sentence"), [
    ({"most_hours": 2, "optical": None}, r"\(most_hours\) is 2, but no “Optical scenes” \(optical\) are given"),
    ({"samples": "tiles", "size": None, "stride": None}, r"the hours to them are kept for each polygon; a tile holds several. Choose patches"),
])
def test_what_does_not_go_together_is_refused(tmp_path, given, sentence):
    values = {"images": [str(ice_scene(tmp_path))], "labels": str(ice_polygons(tmp_path)), "class_field": "ice_kind",
              "optical": str(ice_optical(tmp_path)), "output": str(tmp_path / "dataset"), **given}
    with pytest.raises(JobError, match=sentence):
        JOBS["create_sea_ice_dataset"].from_values(values)
