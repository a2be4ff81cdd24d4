"""Create sea ice dataset: radar scenes and labelled polygons or an ice chart → patches or tiles of sea-ice classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import (
    MOST_PIXELS,
    Job,
    attribute,
    choice,
    classes,
    crs,
    extent,
    file,
    integer,
    layer,
    number,
    pixel_value,
    rasters,
    text,
    vector,
)
from ..telling import dataset_name

UNITS = {"detect": "", "db": "dB", "linear": "linear"}
#: What an ice chart says of a polygon, one of `engine.themes.sea_ice.classes.SCHEMES`.
SCHEMES = {
    "stage": "Stage of development (AI4Arctic)",
    "six_types": "Six types of water and ice (UiT)",
    "ice_water": "Ice or open water",
    "concentration": "Concentration in tenths",
    "form": "Form: floe sizes (AI4Arctic)",
    "primary": "Stage of the ice with the largest concentration",
    "secondary": "Stage of the ice with the next concentration",
}


@dataclass(frozen=True)
class CreateSeaIceDataset(Job):
    """Cuts Sentinel-1 scenes (HH, HV and incidence angle) and polygons of sea ice into training data.

    Polygons come with a field that holds their class, or as an ice chart in SIGRID-3 (shapefile or GeoPackage) whose codes CT, CA, SA,
    FA and so on become classes. Ice or open water: open water below 1/10, sea ice from the given concentration on. Six types: open water,
    newly formed ice, brash or pancake ice, young ice, thin to medium first-year ice, thick or deformed ice, the classes of the UiT
    data set, read from stage and form. Stage: the stages of development of AI4Arctic (open water, new, young, thin first-year, thick
    first-year and old ice). A polygon is of the class that holds the dominant share of its ice; without one it
    has no class. Codes -9 and 99, glacier ice, land and ice shelf have no class either; messages say how many and in which rows.

    Ice moves, so an ice chart is right for images of its own day. Fast ice stays: with “Fast ice also labels images within [days]” its polygons label
    images of the days around, too, for training alone, and the report counts these patches apart.

    With “Further targets” one dataset has several of these, and “Fine-tune a model” makes one network of them, with accuracy and a map for
    each.

    Who drew polygons from optical scenes of nearly the same time gives “Optical scenes”, the layer of “Find scenes” for the radar scene. Each
    patch then keeps, as optical_hours in the footprints, how long before (−) or after the radar image the ice of its polygon was seen.

    Samples are patches of 10, 20 or 32 pixels at a stride of 10 that lie wholly inside a polygon (one class each), or full tiles with a
    class for every pixel. Patches of one polygon overlap and look alike, so whole polygons or scenes go to training, validation or
    test, or blocks of ground with a gap; never single patches. Rare classes can be balanced by flipped and turned copies of training
    patches (recorded in the field “augmented” of the footprints) or by weights in the loss.

    The brightness of ice and water falls with the incidence angle, in each class in its own way, so the angle is a band of the dataset:
    a band called incidence_angle or IA, a layer, or a table of the product's annotation (CSV with incidenceAngle and pixel, line or
    longitude, latitude), interpolated for every pixel. For whole scenes that have none it can be computed from the orbit. Without it the
    job stops unless “None” says that this is meant.

    Backscatter is taken for dB when the medians of HH and HV are below -3, for linear when nearly all values lie between 0 and 10; else
    say which. Scenes with ground control points instead of a grid are warped to the target CRS with square pixels; so are scenes that
    only a table with pixel, line, longitude and latitude places.
    """

    title = "Create sea ice dataset"
    group = "1 Prepare data"
    tags = ("Sentinel-1", "SAR", "ice chart", "SIGRID-3", "egg code", "incidence angle", "HH", "HV", "patches", "AI4Arctic", "polar", "labels",
            "training data", "radar")
    results = tiling.counted_results("samples")

    images: list = rasters("HH images", help="One layer per scene; it may hold HV and the incidence angle too. A Sentinel-1 GRD product as it "
                                             "is delivered, folder or zip, holds all three; |noise=subtracted behind its path takes noise off.")
    hv: list = rasters("HV images", optional=True, repeats=True,
                       help="One for each HH image, in the same order; empty where HH and HV are bands of one layer.")
    incidence_angle: str = choice("Incidence angle", {"given": "Given: as a band of the images, a layer or a table",
                                                     "orbit": "Orbit: computed where an image has no band of it",
                                                     "none": "None: the network does without"}, default="given",
                                  help="From the orbit it is right to half a degree, for whole scenes with the names of their products.")
    incidence_layers: list = rasters("Incidence angle layers", optional=True, advanced=True, repeats=True,
                                     help="In degrees, one for each HH image, in the same order.")
    incidence_table: str = file("Table of incidence angles", extension="csv|txt", optional=True, advanced=True,
                                help="Points of the product's annotation: incidenceAngle, and pixel with line or longitude with latitude; "
                                     "for several scenes also a column scene with the name of the HH layer or file.")
    backscatter: str = choice("Backscatter is in", {"detect": "Detect from the values", "db": "Decibels (dB)", "linear": "Linear (sigma nought)"},
                              default="detect", advanced=True, help="The unit of the values in HH and HV.")
    labels: dict = vector("Polygons or ice chart", help="Polygons with a class, or a SIGRID-3 ice chart; in any CRS.")
    class_field: str = attribute("Class field", parent="labels", optional=True,
                                 help="The field that holds the class. Empty: the layer is read as a SIGRID-3 ice chart.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="For the class field: value, name and colour of each class; empty takes the symbology or the values.")
    scene_field: str = attribute("Scene field", parent="labels", optional=True, advanced=True,
                                 help="The field that names the scene a polygon was drawn on: name of the HH layer or file, or its date. "
                                      "Empty: every polygon labels every scene.")
    fast_ice_days: int = integer("Fast ice also labels images within [days]", default=0, minimum=0, maximum=90, advanced=True,
                                 help="For an ice chart and patches: on images of other days its polygons of fast ice (all forms 08) give patches "
                                      "for training, where HH changed little; other polygons label images of the chart's day alone. 0: every polygon "
                                      "labels every image.")
    fast_ice_change: float = number("Largest change of HH in fast ice [dB]", default=2, minimum=0.1, maximum=20, advanced=True,
                                    help="Of the mean HH of a patch since the chart's day; an image from another angle differs by 0.2 dB a degree.")
    chart_date: str = text("Day of the chart", default=None, advanced=True,
                           help="Such as 2021-09-06, for fast ice. Empty: as the name of the chart says.")
    optical: dict = vector("Optical scenes", optional=True, advanced=True,
                           help="For patches: footprints with the field “acquired”, as “Find scenes” writes them. Each polygon keeps the hours from "
                                "its image to the nearest in time that shows its middle.")
    most_hours: float = number("Longest time to an optical scene [h]", default=None, minimum=0, maximum=10_000, advanced=True,
                               help="Polygons that no optical scene within so many hours shows give no patches. Empty: all do.")
    scheme: str = choice("Classes of an ice chart", SCHEMES, default="stage", help="What the network learns, where no class field is given.")
    targets: str = text("Further targets", default=None, advanced=True,
                        help="What one network is to learn beside the classes, separated by commas: of an ice chart words such as "
                             "concentration,form,primary; with a class field other fields of the layer. A polygon that does not say one of them "
                             "is left out for that one alone.")
    dominant_share: float = number("Dominant share of the ice", default=0.65, minimum=0.34, maximum=1, advanced=True,
                                   help="For stage and six types: share of the total concentration, 0.34 to 1, that the class of a polygon must "
                                        "hold. AI4Arctic takes 0.65.")
    ice_from: float = number("Concentration from which a polygon is ice [tenths]", default=1, minimum=1, maximum=10, advanced=True,
                             help="For ice or open water: polygons between open water and this have no class. 8 keeps mixed polygons out.")
    unknown_codes: str = choice("Polygons with unknown codes are", {"refused": "Refused: stop and name them",
                                                                    "ignored": "Ignored: they have no class"}, default="refused", advanced=True,
                                help="Codes that SIGRID-3 does not have are most often errors in the chart.")
    land: dict = layer("Land mask", optional=True, advanced=True, help="Land polygons, or a raster in which land is not 0; land has no class.")
    samples: str = choice("Samples", {"patches": "Patches: small, of one class each", "tiles": "Tiles: a class for every pixel"}, default="patches",
                          help="What the network learns from: squares inside one polygon, or squares with several classes.")
    size: int = integer("Patch or tile size [px]", default=None, minimum=8, maximum=2048, advanced=True,
                        help="Empty: 32 for patches; for tiles, of 256, 128 and 64 the largest that leaves enough for training. Usual patches have "
                             "10, 20 or 32; make a dataset of each.")
    stride: int = integer("Stride [px]", default=None, minimum=1, maximum=MOST_PIXELS, advanced=True,
                          help="From one patch or tile to the next. Empty: 10 between patches, the tile size between tiles.")
    balance: str = choice("Balance of the classes", {"none": "None: as they occur", "augment": "Augment: turned copies of rare patches",
                                                     "weights": "Weights: rare classes count more in the loss"}, default="none", advanced=True,
                          help="Flipped and turned copies are made of training patches alone, at most 7 of each.")
    split_by: str = choice("Split by", {"auto": "Automatic: scenes where there are three, else polygons", "polygon": "Polygon",
                                        "scene": "Scene", "place": "Place: blocks of ground with a gap"}, default="auto", advanced=True,
                           help="What is given whole to training, validation or test. Tiles are always split by place.")
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the bands of the images in order, such as HH,HV,incidence_angle, for layers that do not name them.")
    nodata: float = pixel_value("Nodata value of HH and HV", advanced=True,
                                help="Besides that of the layers; exact zeros are no measurement and always nodata.")
    target_crs: str = crs("Target CRS", optional=True, advanced=True,
                           help="For scenes placed by ground control points: a projection such as EPSG:3413, EPSG:3995 or EPSG:3031.")
    resolution: float = number("Pixel size in the target CRS", default=None, minimum=0.001, maximum=10_000_000, advanced=True,
                               help="In its units, most often metres. Empty: about that of the scene.")
    extent: dict = extent("Extent", optional=True, advanced=True, help="For tiles: only tiles inside are cut.")
    validation_share: float = tiling.validation_share("samples")
    test_share: float = tiling.test_share("samples")
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints("Footprints of the samples")

    def check(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise JobError("Validation and test together take more than 0.8 of the samples. Lower one of the two shares.")
        if self.samples == "tiles" and self.balance == "augment":
            raise JobError("Tiles hold several classes, so copies of tiles do not balance them. Choose “weights”, or patches.")
        if self.samples == "tiles":
            tiling.check_stride(self.stride, self.size)
        if self.incidence_angle != "given" and (self.incidence_layers or self.incidence_table):
            raise JobError(f"“Incidence angle” is {self.incidence_angle}, but layers or a table of it are given. Remove them, or choose given.")
        if self.most_hours is not None and not self.optical:
            raise JobError(f"“Longest time to an optical scene” (most_hours) is {self.most_hours:g}, but no “Optical scenes” (optical) are given. "
                           "Give the layer that “Find scenes” wrote, or leave the hours empty.")
        if self.optical and self.samples == "tiles":
            raise JobError("“Optical scenes” (optical) are given, and the hours to them are kept for each polygon; a tile holds several. Choose "
                           "patches, or leave them empty.")
        if self.fast_ice_days and (self.class_field or self.scene_field or self.samples == "tiles"):
            why = ("tiles are cut, and other ice in them has moved. Choose patches" if self.samples == "tiles" else
                   "a class field is given. Leave it empty and give an ice chart" if self.class_field else
                   "a scene field says which image each polygon belongs to. Leave it empty")
            raise JobError(f"“Fast ice also labels images” (fast_ice_days) is {self.fast_ice_days}, but {why}, or set the days to 0.")

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
        from ...engine.themes.sea_ice.datasets import Moments, build_patches, build_tiles
        from ...engine.themes.sea_ice.fast_ice import FastIce
        from ...engine.themes.sea_ice.ground_control import scratch_folder
        from ...engine.themes.sea_ice.labels import PolygonRules, open_ice_labels
        from ...engine.themes.sea_ice.land_mask import open_land
        from ...engine.themes.sea_ice.optical import OpticalScenes
        from ...engine.themes.sea_ice.patches import PatchPlan
        from ...engine.themes.sea_ice.sar_bands import SarImages
        from ...engine.themes.sea_ice.sar_scenes import open_sar_scenes
        from ...outputs import new_folder

        given = SarImages(self.images, self.hv or [], self.incidence_layers or [], self.incidence_table or "", self.incidence_angle == "none",
                          UNITS[self.backscatter], self.bands or "", self.nodata, self.target_crs or "", self.resolution,
                          self.incidence_angle == "orbit")
        shares, name = SplitPlan(self.validation_share, self.test_share, seed=self.seed), dataset_name(self)
        chart, days = Path(self.labels["path"]).stem, self.fast_ice_days
        fast = FastIce.of(days, self.fast_ice_change, self.chart_date or "", chart) if days else None
        optical = OpticalScenes.open(self.optical, self.most_hours) if self.optical else None
        with new_folder(self.output) as folder, scratch_folder(folder) as warped:
            scenes, sensor, facts = open_sar_scenes(given, warped, progress.part(0, 0.2))
            grids = [scene.grid for scene in scenes]
            land = open_land(self.land, grids, progress) if self.land else None
            rules = PolygonRules(self.class_field, self.class_table, self.scene_field, self.scheme, self.dominant_share, self.ice_from,
                                 self.unknown_codes, tuple(self._targets()), self.fast_ice_days > 0)
            labels = open_ice_labels(self.labels, grids, rules, land=land, weighted=self.balance == "weights", progress=progress.part(0.2, 0.25))
            images, about = Imagery(scenes, sensor), About(name, facts=facts)
            if self.samples == "patches":
                plan = PatchPlan(self.size or 32, self.stride or 10, self.split_by, self.balance)
                split = build_patches(folder, images, labels, plan, shares, about, progress.part(0.25, 1), Moments(fast, optical))
            else:
                cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent), self.size, scenes, shares, progress)
                split = build_tiles(folder, images, labels, cutting, shares, about, progress.part(0.25, 1))
        counts = {key.replace("tiles", "samples"): count for key, count in split.counts.items()}
        return {"output": self.output, "samples": len(split.names), **counts, **copy_footprints(self.output, self.footprints)}
