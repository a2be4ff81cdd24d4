"""Images of another sensor: their values, their nodata, and the marks that say they were made."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import SyntheticImage
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import metadata as model_metadata
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.errors import JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import Progress
from tests import scenes, scenes_translation

from ..listening import Listening


@pytest.fixture
def made(folder):
    """The synthetic image of `two_halves_nodata`, and the model it was made with."""
    model = package.open(scenes_translation.doubling_model(folder))
    image = scenes.two_halves_nodata(folder)
    listener = Listening()
    map_scene(model, MapRequest([{"path": str(image)}], tile_size=128, device="cpu"), [SyntheticImage(str(folder / "out.tif"))], listener)
    return SimpleNamespace(path=folder / "out.tif", model=model, said=listener.texts)


def test_values_are_in_the_stored_units_of_the_other_sensor(made):
    with rasterio.open(made.path) as source:
        bands, kinds, nodata = source.read(), set(source.dtypes), source.nodata
    assert kinds == {"float32"}
    assert np.isnan(nodata)
    assert np.isnan(bands[:, :24]).all(), "nodata stays nodata"
    assert (bands[0, 24:, :48] == 2000).all()
    assert (bands[1, 24:, 48:] == 4010).all()


def test_it_is_marked_as_synthetic_everywhere(made):
    with rasterio.open(made.path) as source:
        tags, names = source.tags(), source.descriptions
    assert names == ("VV (synthetic)", "VH (synthetic)")
    assert tags["EO_PRETRAIN_SYNTHETIC"] == "YES"
    assert tags["EO_PRETRAIN_MODEL"] == "synthetic-sx-from-s2-0123abcd"
    assert "Nothing in it was measured" in tags["TIFFTAG_IMAGEDESCRIPTION"]
    style = made.path.with_suffix(".qml").read_text()
    assert "Synthetic sx from two_halves_nodata.tif" in style
    assert 'type="singlebandgray"' in style
    assert "<userNotes" in style
    assert [text for text in made.said if "call it synthetic_sx_two_halves_nodata.tif" in text], "a name that does not say so is remarked on"


def test_bands_keep_their_names_for_later_steps(made):
    from eo_pretrain_qgis.engine.rasters.sensors import name_bands

    assert [band.name for band in name_bands("sentinel1_db", ["VV (synthetic)", "VH (synthetic)"])] == ["VV", "VH"]


def test_qgis_reads_name_note_and_stretch(made):
    """The style file is what QGIS writes: checked as XML here and in QGIS by the toolbox's tests."""
    from xml.etree import ElementTree

    root = ElementTree.parse(made.path.with_suffix(".qml")).getroot()
    assert root.get("styleCategories") == "Symbology|CustomProperties|Notes"
    assert root.find("./customproperties/Option/Option").get("name") == "eo_pretrain/name"
    assert float(root.find(".//contrastEnhancement/minValue").text) < float(root.find(".//contrastEnhancement/maxValue").text)


def test_the_file_describes_itself_as_generative(made):
    item = model_metadata.stac_item(made.model.description)
    assert item["properties"]["mlm:tasks"] == ["generative"]
    assert item["properties"]["mlm:output"][0]["bands"] == ["VV (synthetic)", "VH (synthetic)"]
    assert model_metadata.deepness_keys(made.model.description)["model_type"] == "Regressor"


def test_the_page_of_the_model_names_what_it_gives(made, folder):
    model_report.write_html(made.model, str(folder / "page.html"))
    assert "Synthetic bands of sx it gives" in (folder / "page.html").read_text()


def test_a_class_model_makes_no_image(folder):
    model = package.open(scenes.two_halves_model(folder))
    with pytest.raises(ModelError, match="gives classes, of which no synthetic image can be made. Choose another model."):
        map_scene(model, MapRequest([{"path": str(scenes.two_halves(folder))}]), [SyntheticImage(str(folder / "out.tif"))])


def test_polygons_of_a_synthetic_image_are_refused(folder):
    job = JOBS["predict_map"].from_values({"model": str(scenes_translation.doubling_model(folder)), "images": [str(scenes.two_halves(folder))],
                                           "polygons": str(folder / "p.gpkg"), "output": str(folder / "synthetic.tif")})
    with pytest.raises(JobError, match="needs a model that gives classes, one for each place, and .* makes images of sx. Leave it empty, or choose "
                                       "another model."):
        job.run(Progress())


def test_a_description_without_its_target_is_refused(made, folder):
    import onnx

    model = onnx.load(made.model.path)
    for entry in model.metadata_props:
        if entry.key == package.KEY:
            entry.value = json.dumps({**json.loads(entry.value), "target": {"sensor": "sx", "bands": []}})
    onnx.save(model, folder / "changed.onnx")
    with pytest.raises(ModelError, match="“target.bands” is a list, but must be a list of length at least 1"):
        package.open(folder / "changed.onnx")
