from eo_pretrain_qgis.engine.style_files import MARK, new_style
from eo_pretrain_qgis.report import Report


class Told(Report):
    def __init__(self):
        self.words = []

    def emit(self, event):
        self.words.append(event["text"])


def test_our_style_is_replaced_by_our_next_one(folder):
    for text in ("<qgis>1</qgis>\n", "<qgis>2</qgis>\n"):
        with new_style(folder / "map.tif", text):
            pass
    assert (folder / "map.qml").read_text(encoding="utf-8") == f"<qgis>2</qgis>\n{MARK}\n"


def test_a_style_of_the_users_stays_and_is_told(folder):
    (folder / "roads.qml").write_bytes(b"<qgis>of roads.shp \xff</qgis>")
    told = Told()
    with new_style(folder / "roads.gpkg", "<qgis/>", told):
        pass
    assert (folder / "roads.qml").read_bytes() == b"<qgis>of roads.shp \xff</qgis>"
    assert f"{folder / 'roads.qml'} is a style of your own and was kept." in told.words[0]
