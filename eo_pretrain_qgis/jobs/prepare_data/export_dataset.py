"""Export dataset: a dataset → files that other programs train on."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from ..spec import Job, Result, choice, dataset_folder, folder_output, text
from ..suggestions import sensor_of


@dataclass(frozen=True)
class ExportDataset(Job):
    """Writes a dataset as files that other programs read, with its split, classes and places on the map.

    GeoTIFF (geotiff): images/ and labels/ with a GeoTIFF of each tile; images with one class each go to a folder for each class. classes.csv and
    split.csv lie beside them; label images carry the colours of the classes and have 255 where there is no label.

    ArcGIS classified tiles (esri_tiles): classes have the values 1 to n and 0 is no label.

    TimeSen2Crop (timesen2crop): series, as one CSV file each in a folder for each tile and class. Folders have the numbers of its list of
    crops; those that are not in it become “Other crops”.

    “Import dataset” reads all of them back. Weights, soft shares and the facts of a theme are not kept.
    """

    title = "Export dataset"
    group = "1 Prepare data"
    tags = ("GeoTIFF", "ArcGIS", "classified tiles", "chips", "masks", "TimeSen2Crop")
    results = {"samples": Result("number", "Samples that were written")}
    for_others = True

    dataset: str = dataset_folder("Dataset folder", help="Made by “Create … dataset” or “Import dataset”.")
    format: str = choice("Format", {"geotiff": "GeoTIFF images and labels", "esri_tiles": "ArcGIS classified tiles",
                                    "timesen2crop": "TimeSen2Crop, for series"}, default="geotiff", help="What the other program reads.")
    split: str = choice("Samples of", {"all": "All parts", "training": "Training only", "validation": "Validation only", "test": "Test only"},
                        default="all", help="Samples dropped between the parts are left out.")
    sensor: str = text("Sensor", default=None, advanced=True, **sensor_of("dataset"),
                       help="Only the images of this one, such as s2; empty is all the format can hold.")
    output: str = folder_output("Folder", fresh=True, help="A new or empty folder.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the dataset")
        from ...engine.datasets.dataset import Dataset
        from ...engine.formats import export_dataset
        from ...outputs import new_folder

        dataset = Dataset.open(self.dataset)
        with new_folder(self.output) as folder:
            samples = export_dataset(self.format, dataset, folder, self.sensor or "", "" if self.split == "all" else self.split, progress)
        return {"output": self.output, "samples": samples}
