"""Archives that were made to do harm."""

import zipfile

import pytest

from eo_pretrain_qgis.engine.formats import Tree
from eo_pretrain_qgis.errors import DataError


@pytest.mark.parametrize("name", ["../evil.tif", "a/../../evil.tif", "/etc/evil.tif", "C:/evil.tif", "a\\..\\evil.tif"])
def test_archives_that_point_outside_are_refused(folder, name):
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DataError, match="has an entry that points outside it"):
        Tree(folder / "slip.zip")


def test_a_file_that_unpacks_to_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr("eo_pretrain_qgis.engine.formats.tree.LARGEST_FILE", 1000)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tif", b"0" * 2_000_000)
    with pytest.raises(DataError, match="too much to be read at once. Unpack the archive and choose the folder"):
        Tree(folder / "bomb.zip").read("a.tif")
