"""Create sea ice dataset: radar scenes and labelled polygons or an ice chart → patches or tiles of sea-ice classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import (
    LARGEST_SEED,
    MOST_PIXELS,
    Job,
    attribute,
    choice,
    classes,
    dataset_output,
    extent,
    file,
    integer,
    layer,
    number,
    pixel_value,
    rasters,
    text,
    vector,
    vector_output,
)

UNITS = {"detect": "", "db": "dB", "linear": "linear"}
#: What an ice chart says of a polygon, one of `engine.themes.sea_ice.classes.SCHEMES`.
SCHEMES = ("stage", "six_types", "ice_water", "concentration", "form", "primary", "secondary")


@dataclass(frozen=True)
class CreateSeaIceDataset(Job):
    """Cuts Sentinel-1 scenes (HH, HV and incidence angle) and polygons of sea ice into training data.

    Polygons come with a field that holds their class, or as an ice chart in SIGRID-3 (shapefile or GeoPackage) whose codes CT, CA, SA,
    FA and so on become classes. “ice_water”: open water below 1/10, sea ice from the given concentration on. “six_types”: open water,
    newly formed ice, brash or pancake ice, young ice, thin to medium first-year ice, thick or deformed ice, the classes of the UiT
    data set, read from stage and form. “stage”: the stages of development of AI4Arctic (open water, new, young, thin first-year, thick
    first-year and old ice). “concentration”: tenths. A polygon is of the class that holds the dominant share of its ice; without one it
    has no class. Codes -9 and 99, glacier ice, land and ice shelf have no class either; messages say how many and in which rows.

    “form”: the floe sizes of AI4Arctic. “primary” and “secondary”: stage of the kind of ice with the largest and the next concentration. With
    “Further targets” one dataset has several of these, and “Fine-tune a model” makes one network of them, with accuracy and a map for each.

    Samples are patches of 10, 20 or 32 pixels at a stride of 10 that lie wholly inside a polygon (one class each), or full tiles with a
    class for every pixel. Patches of one polygon overlap and look alike, so whole polygons or scenes go to training, validation or
    test, or blocks of ground with a gap; never single patches. Rare classes can be balanced by flipped and turned copies of training
    patches (recorded in the field “augmented” of the footprints) or by weights in the loss.

    The brightness of ice and water falls with the incidence angle, in each class in its own way, so the angle is a band of the dataset:
    a band called incidence_angle or IA, a layer, or a table of the product's annotation (CSV with incidenceAngle and pixel, line or
    longitude, latitude), interpolated for every pixel. Without it the job stops unless “none” says that this is meant.

    Backscatter is taken for dB when the medians of HH and HV are below -3, for linear when nearly all values lie between 0 and 10; else
    say which. Scenes with ground control points instead of a grid are warped to the target CRS with square pixels; so are scenes that
    only a table with pixel, line, longitude and latitude places.
    """

    title = "Create sea ice dataset"
    group = "1 Prepare data"
    tags = ("Sentinel-1", "SAR", "ice chart", "SIGRID-3", "egg code", "incidence angle", "HH", "HV", "patches", "AI4Arctic", "polar")
    results = tiling.counted_results("samples")

    images: list = rasters("HH images", help="One layer per scene; it may hold HV and the incidence angle too. A Sentinel-1 GRD product as it "
                                             "is delivered, folder or zip, holds all three; |noise=subtracted behind its path takes noise off.")
    hv: list = rasters("HV images", optional=True, help="One for each HH image, in the same order; empty where HH and HV are bands of one layer.")
    incidence_angle: str = choice("Incidence angle", ("given", "none"), default="given",
                                  help="“given”: as a band of the images, a layer or a table. “none”: the network does without.")
    incidence_layers: list = rasters("Incidence angle layers", optional=True, help="In degrees, one for each HH image, in the same order.")
    incidence_table: str = file("Table of incidence angles", extension="csv|txt", optional=True,
                                help="Points of the product's annotation: incidenceAngle, and pixel with line or longitude with latitude; "
                                     "for several scenes also a column scene with the name of the HH layer or file.")
    backscatter: str = choice("Backscatter is in", tuple(UNITS), default="detect", help="“linear”: sigma nought, not in dB.")
    labels: dict = vector("Polygons or ice chart", help="Polygons with a class, or a SIGRID-3 ice chart; in any CRS.")
    class_field: str = attribute("Class field", parent="labels", optional=True,
                                 help="The field that holds the class. Empty: the layer is read as a SIGRID-3 ice chart.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="For the class field: value, name and colour of each class; empty takes the symbology or the values.")
    scene_field: str = attribute("Scene field", parent="labels", optional=True, advanced=True,
                                 help="The field that names the scene a polygon was drawn on: name of the HH layer or file, or its date. "
                                      "Empty: every polygon labels every scene.")
    scheme: str = choice("Classes of an ice chart", SCHEMES, default="stage")
    targets: str = text("Further targets", default=None,
                        help="What one network is to learn beside the classes, separated by commas: of an ice chart other classes, such as "
                             "concentration,form; with a class field other fields of the layer. A polygon that does not say one of them is left out "
                             "for that one alone.")
    dominant_share: float = number("Dominant share of the ice", default=0.65, minimum=0.34, maximum=1, advanced=True,
                                   help="For “stage” and “six_types”: share of the total concentration that the class of a polygon must "
                                        "hold; AI4Arctic takes 0.65.")
    ice_from: float = number("Concentration from which a polygon is ice [tenths]", default=1, minimum=1, maximum=10, advanced=True,
                             help="For “ice_water”: polygons between open water and this have no class. 8 keeps mixed polygons out.")
    unknown_codes: str = choice("Polygons with unknown codes are", ("refused", "ignored"), default="refused",
                                help="Codes that SIGRID-3 does not have are most often errors in the chart.")
    land: dict = layer("Land mask", optional=True, help="Land polygons, or a raster in which land is not 0; land has no class.")
    samples: str = choice("Samples", ("patches", "tiles"), default="patches",
                          help="“patches”: small, of one class each. “tiles”: a class for every pixel.")
    size: int = integer("Patch or tile size [px]", default=None, minimum=8, maximum=2048,
                        help="Empty: 32 for patches; for tiles, of 256, 128 and 64 the largest that leaves enough for training. Usual patches have "
                             "10, 20 or 32; make a dataset of each.")
    stride: int = integer("Stride [px]", default=None, minimum=1, maximum=MOST_PIXELS, help="Empty: 10 between patches, the tile size between tiles.")
    balance: str = choice("Balance of the classes", ("none", "augment", "weights"), default="none",
                          help="“augment”: flipped and turned copies of training patches of rare classes, at most 7 of each. “weights”: "
                               "rare classes count more in the loss.")
    split_by: str = choice("Split by", ("auto", "polygon", "scene", "place"), default="auto",
                           help="What is given whole to training, validation or test; “auto”: scenes where there are three or more, else polygons; "
                                "“place”: blocks of ground with a gap of a patch. Tiles are always split by place.")
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the bands of the images in order, such as HH,HV,incidence_angle, for layers that do not name them.")
    nodata: float = pixel_value("Nodata value of HH and HV", advanced=True,
                                help="Besides that of the layers; exact zeros are no measurement and always nodata.")
    target_crs: str = text("Target CRS", default=None, advanced=True,
                           help="For scenes placed by ground control points: a projection such as EPSG:3413, EPSG:3995 or EPSG:3031.")
    resolution: float = number("Pixel size in the target CRS", default=None, minimum=0.001, maximum=10_000_000, advanced=True,
                               help="In its units. Empty: about that of the scene.")
    extent: dict = extent("Extent", optional=True, advanced=True, help="For tiles: only tiles inside are cut.")
    validation_share: float = number("Share of validation", default=0.15, minimum=0, maximum=0.5)
    test_share: float = number("Share of test", default=0.2, minimum=0, maximum=0.5)
    seed: int = integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True)
    output: str = dataset_output()
    footprints: str = vector_output("Footprints of the samples", optional=True, created=False)

    def check(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise JobError("Validation and test together take more than 0.8 of the samples. Lower one of the two shares.")
        if self.samples == "tiles" and self.balance == "augment":
            raise JobError("Tiles hold several classes, so copies of tiles do not balance them. Choose “weights”, or patches.")
        if self.samples == "tiles":
            tiling.check_stride(self.stride, self.size)
        if self.incidence_angle == "none" and (self.incidence_layers or self.incidence_table):
            raise JobError("“Incidence angle” is none, but layers or a table of it are given. Remove them, or choose given.")

    def _targets(self) -> list[str]:
        """Names of the further targets."""
        return [name.strip() for name in (self.targets or "").split(",") if name.strip()]

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.building import About, Imagery
        from ...engine.datasets.cutting import Cutting
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.sea_ice.datasets import build_patches, build_tiles
        from ...engine.themes.sea_ice.ground_control import scratch_folder
        from ...engine.themes.sea_ice.labels import PolygonRules, open_ice_labels
        from ...engine.themes.sea_ice.land_mask import open_land
        from ...engine.themes.sea_ice.patches import PatchPlan
        from ...engine.themes.sea_ice.sar_bands import SarImages
        from ...engine.themes.sea_ice.sar_scenes import open_sar_scenes
        from ...outputs import new_folder

        given = SarImages(self.images, self.hv or [], self.incidence_layers or [], self.incidence_table or "", self.incidence_angle == "none",
                          UNITS[self.backscatter], self.bands or "", self.nodata, self.target_crs or "", self.resolution)
        shares, name = SplitPlan(self.validation_share, self.test_share, seed=self.seed), Path(self.output).name
        with new_folder(self.output) as folder, scratch_folder(folder) as warped:
            scenes, sensor, facts = open_sar_scenes(given, warped, progress.part(0, 0.2))
            grids = [scene.grid for scene in scenes]
            land = open_land(self.land, grids, progress) if self.land else None
            rules = PolygonRules(self.class_field, self.class_table, self.scene_field, self.scheme, self.dominant_share, self.ice_from,
                                 self.unknown_codes, tuple(self._targets()))
            labels = open_ice_labels(self.labels, grids, rules, land=land, weighted=self.balance == "weights", progress=progress.part(0.2, 0.25))
            images, about = Imagery(scenes, sensor), About(name, facts=facts)
            if self.samples == "patches":
                plan = PatchPlan(self.size or 32, self.stride or 10, self.split_by, self.balance)
                split = build_patches(folder, images, labels, plan, shares, about, progress.part(0.25, 1))
            else:
                cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent), self.size, scenes, shares, progress)
                split = build_tiles(folder, images, labels, cutting, shares, about, progress.part(0.25, 1))
        counts = {key.replace("tiles", "samples"): count for key, count in split.counts.items()}
        return {"output": self.output, "samples": len(split.names), **counts, **copy_footprints(self.output, self.footprints)}
