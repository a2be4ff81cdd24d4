"""What a newcomer would draw and have, from a simulated landscape in FOLDER/sample: python ground.py FOLDER

Twenty polygons of all classes, three parcels, and a second image: the half of the first.
"""

import sys
from pathlib import Path

import geopandas
import rasterio
from rasterio.windows import Window

folder = Path(sys.argv[1])
drawn = geopandas.read_file(folder / "sample" / "training_polygons.gpkg")
place = drawn.groupby("class").cumcount()
drawn.assign(place=place).sort_values(["place", "class"]).head(20).drop(columns="place").to_file(folder / "polygons.gpkg", driver="GPKG")
parcels = geopandas.read_file(folder / "sample" / "parcels.gpkg")
parcels.assign(area=parcels.area).nlargest(3, "area").drop(columns="area").to_file(folder / "parcels.gpkg", driver="GPKG")
with rasterio.open(folder / "sample" / "sentinel2.tif") as image:
    half = Window(0, 0, image.width // 2, image.height // 2)
    with rasterio.open(folder / "second.tif", "w", **{**image.profile, "width": half.width, "height": half.height}) as second:
        second.write(image.read(window=half))
        second.descriptions = image.descriptions
