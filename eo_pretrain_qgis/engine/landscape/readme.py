"""The text that goes with every sample."""

README = """SIMULATED LANDSCAPE

Nothing in this folder is real. It was computed by “Create sample landscape” of EO Pretrain for QGIS
(seed {seed}, {size} × {size} pixels of 10 m, EPSG:32633) for first steps, demonstrations and tests.
Figures obtained on it are simulated and must be called so. The same seed and size give the same landscape.

sentinel2.tif           ten bands like Sentinel-2 level 2A of 2023-06-02: reflectance × 10000, no offset, 0 = nodata
scene_classes.tif       its clouds (8, 9, 10), shadows (3), vegetation (4), other land (5) and water (6), with the
                        codes of Sentinel-2's scene classification
sentinel1.tif           VV and VH like Sentinel-1 ground range detected of the same day, in dB, 4.4 looks
land_cover.tif          the truth: 1 water, 2 forest, 3 cropland, 4 grassland, 5 built-up, 6 bare; the class with the
                        largest area in each pixel, roads left aside
land_cover_100m.tif     the same as a global map has it: 100 m, codes of Copernicus CGLS-LC100, one cell in seven wrong
training_polygons.gpkg  polygons as an analyst would draw them, class name in the field “class”
roads.gpkg              lines with OpenStreetMap tags; some roads are missing, and tunnels, planned and abandoned ones
                        are there that no image shows
roads_truth.gpkg        all roads there are, with their true width in metres, and whether they are mapped and visible
parcels.gpkg            fields and meadows with crop code (as TimeSen2Crop), crop name and area in hectares
season/                 twelve dates, S2_YYYY-MM-DD.tif with masks SCL_YYYY-MM-DD.tif

How it was made
Terrain, river and forest: self-similar random fields. Roads: least-cost ways. Parcels: recursive splitting.
Crop shares: sample counts of TimeSen2Crop (doi 10.1109/JSTARS.2021.3073965). Phenology: double logistic curves
(doi 10.1016/S0034-4257(02)00135-9, doi 10.1016/j.rse.2005.10.021). Spectra: shapes after the USGS Spectral Library 7
(doi 10.3133/ds1035), the ECOSTRESS library (doi 10.1016/j.rse.2019.05.015) and PROSAIL (doi
10.1016/j.rse.2008.01.026), numbers rounded by hand. Mixing: linear, by area, on a 2.5 m grid. Radar: round mean values
after Ulaby and Dobson (1989) and Veloso et al. (doi 10.1016/j.rse.2017.07.015), speckle close to gamma distributed.
The code, engine/landscape, says more.
"""
