"""The layout of TimeSen2Crop: a folder for each Sentinel-2 tile, in it a folder for each class, in it a CSV file for each sample.

Weikmann, Paris and Bruzzone, TimeSen2Crop: a million labeled samples dataset of Sentinel 2 image time series for crop type
classification, 2021, doi 10.1109/JSTARS.2021.3073965; the data: doi 10.5281/zenodo.4715631. A file has a line for each line of the
tile's ``dates.csv``: nine bands, reflectance × 10000, headed B1 to B9, and the flag 0 clear, 1 cloud, 2 shadow, 3 snow. Files that
head the bands by their own names are read too.
"""

from __future__ import annotations

#: The bands behind the headings B1 to B9.
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
HEADS = tuple(f"B{number}" for number in range(1, 10))
FLAG = "Flag"
DATES, DATE_HEAD, CLASSES = "dates.csv", "acquisition_date", "classes.csv"
#: Classes 0 to 15.
CLASS_NAMES = ("Legumes", "Grassland", "Maize", "Potato", "Sunflower", "Soy", "Winter barley", "Winter caraway", "Rye", "Rapeseed", "Beet",
               "Spring cereals", "Winter wheat", "Winter triticale", "Permanent plantation", "Other crops")
