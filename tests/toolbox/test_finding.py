"""The toolbox's search, as QGIS does it: every word that is typed must stand in the name, tags, group or short description of an algorithm."""

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsProcessingToolboxProxyModel
from qgis.PyQt.QtCore import QModelIndex

#: What people type → the algorithms that must be among what is found.
SEARCHES = {
    "map roads": "maproads", "road map": "maproads", "road extraction": "maproads", "streets": "maproads", "openstreetmap": "maproads fetchroads",
    "classify": "mapfrompoints maplandcover predictmap", "classify image": "mapfrompoints predictmap", "classification": "maplandcover mapseaice",
    "supervised classification": "mapfrompoints maplandcover", "random forest": "mapfrompoints", "land cover": "maplandcover",
    "land use": "maplandcover", "lulc": "maplandcover", "vegetation": "maplandcover", "sea ice": "mapseaice", "ice chart": "mapseaice",
    "sar": "mapseaice", "radar": "mapseaice", "crop map": "mapcroptypes", "crop types": "mapcroptypes", "agriculture": "mapcroptypes",
    "field boundaries": "mapfieldboundaries", "delineate fields": "mapfieldboundaries", "parcels": "mapfieldboundaries mapcroptypes",
    "AI": "maproads maplandcover mapseaice mapcroptypes mapfieldboundaries predictmap", "neural": "maproads predictmap finetune",
    "neural network": "maplandcover finetune", "deep learning": "predictmap finetune maproads", "machine learning": "mapfrompoints predictmap",
    "segmentation": "predictmap maproads maplandcover mapseaice", "semantic segmentation": "predictmap createtrainingdataset", "train": "finetune",
    "train model": "finetune", "training data": "createtrainingdataset", "label": "createtrainingdataset suggestlabels mapfrompoints",
    "u-net": "finetune", "accuracy": "assessmap evaluatemodel", "confusion matrix": "assessmap evaluatemodel", "cloud mask": "maskclouds",
    "download sentinel-2": "findscenes", "foundation model": "computeembeddings importencoder", "pretrained": "importencoder", "onnx": "predictmap",
    "time series": "mapseries mapcroptypes", "gpu": "installengine checkengine", "setup": "installengine", "uninstall": "removeengine",
    "example": "createsample", "start here": "installengine checkengine createsample removeengine",
}
THEMES = {"maproads", "maplandcover", "mapseaice", "mapcroptypes", "mapfieldboundaries"}


@pytest.fixture(scope="module")
def toolbox(provider):
    return QgsProcessingToolboxProxyModel(None, QgsApplication.processingRegistry())


def found(toolbox, typed):
    """(id of the algorithm, group) of all rows that stay when `typed` stands in the search box."""
    toolbox.setFilterString(typed)

    def below(parent):
        for row in range(toolbox.rowCount(parent)):
            index = toolbox.index(row, 0, parent)
            algorithm = toolbox.toolboxModel().algorithmForIndex(toolbox.mapToSource(index))
            if algorithm is not None and algorithm.id().startswith("eopretrain:"):
                yield algorithm.name(), algorithm.group()
            yield from below(index)

    return list(below(QModelIndex()))


@pytest.mark.parametrize("typed", SEARCHES)
def test_what_people_type_finds_it(typed, toolbox):
    wanted = set(SEARCHES[typed].split())
    assert wanted - {name for name, _ in found(toolbox, typed)} == set()


def test_the_searches_are_enough_and_meet_every_theme():
    assert len(SEARCHES) >= 40
    assert {name for words in SEARCHES.values() for name in words.split()} >= THEMES


def test_groups_are_in_the_order_of_the_work(toolbox):
    groups = list(dict.fromkeys(group for _, group in found(toolbox, "")))
    assert groups == ["0 Start here", "1 Prepare data", "2 Pretrain", "3 Train", "4 Map", "5 Assess"]
    first = {name for name, group in found(toolbox, "") if group == groups[0]}
    assert first == {"installengine", "checkengine", "createsample", "removeengine", "mapfromlabels"}


def test_nonsense_finds_nothing(toolbox):
    assert found(toolbox, "road zebra") == []
