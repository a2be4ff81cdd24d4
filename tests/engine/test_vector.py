"""Layers whose text is not in the encoding that the file says."""

import geopandas
import pytest
import shapely

from eo_pretrain_qgis.engine.vector import VectorLayer
from eo_pretrain_qgis.errors import DataError


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_text_of_another_encoding_is_named(folder, ending):
    layer = geopandas.GeoDataFrame({"art": ["Wald", "Abcd"]}, geometry=[shapely.box(at, 0, at + 1, 1) for at in (0, 1)], crs="EPSG:4326")
    layer.to_file(folder / f"a.{ending}", **({"encoding": "utf-8"} if ending == "shp" else {}))
    holder = folder / f"a.{'dbf' if ending == 'shp' else ending}"
    holder.write_bytes(holder.read_bytes().replace(b"Abcd", b"\xe4bcd"))
    with pytest.raises(DataError, match="holds text that is not in the encoding it says .* Save the layer anew with the encoding UTF-8"):
        VectorLayer.open({"path": str(folder / f"a.{ending}")}).read(["art"])
