"""Create road dataset: images and OpenStreetMap lines → tiles with roads, split by place."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from .. import masking, tiling
from ..spec import Job, Result, attribute, choice, extent, file, number, raster, rasters, text, vector, vector_output
from ..telling import dataset_name

#: What a kind of ways is.
ROLES = {"roads": "Roads", "ignored": "Ignored: neither road nor background", "background": "Background"}


@dataclass(frozen=True)
class CreateRoadDataset(Job):
    """Cuts images into tiles in which every pixel is road or background, from lines with OpenStreetMap tags, and splits them by place.

    Roads come from a line layer with the tags as fields (GeoPackage, QuickOSM, Geofabrik's shapefiles with “fclass”) or in “other_tags”,
    or straight from an .osm or .osm.pbf file, of which only what lies on the images is kept. What an image cannot show is left out:
    tunnels, covered ways below the ground, ways that are proposed, under construction, abandoned or razed, and areas. The messages and
    the dataset say how many ways went for which reason.

    A road is as wide as its tag “width” says (“3.5”, “3,5 m”, “12 ft”, “10'6"”), else 3.5 m for each of its “lanes”, else as wide as the
    table says for its class. The table used lies in the dataset as road_widths.csv, to be edited and given as “Widths by class”. Its widths
    are estimates, since no standard says how wide a class is.

    OpenStreetMap is incomplete and some metres off. Tiles in which much built-up ground has few roads around are suspicious; they count
    less in training, or are left out. Without a land-cover raster an index of the image says what is built up, and takes bare soil for
    it; the footprints hold what was seen in each tile. Tracks that the map lacks in fields or forest are not found this way. Pixels beside
    a road can be left unjudged.
    """

    title = "Create road dataset"
    group = "1 Prepare data"
    tags = ("OpenStreetMap", "OSM", "pbf", "streets", "highway", "road extraction", "tiles", "segmentation", "labels", "training data")
    results = {**tiling.counted_results(), "clouded_share": masking.CLOUDED, "roads_drawn": Result("number", "Roads that were drawn"),
               "road_km": Result("number", "Length of the roads that were drawn, in kilometres"),
               "tunnels_left_out": Result("number", "Ways left out because they are tunnels or covered")}

    images: list = rasters("Images", help="Raster layers of the same sensor." + tiling.DELIVERED)
    arrangement: str = tiling.arrangement()
    preset: str = tiling.preset()
    bands: str = tiling.bands()
    roads: dict = vector("Roads", help="A line layer with OpenStreetMap tags, or an .osm or .osm.pbf file.")
    class_field: str = attribute("Field with the road class", parent="roads", optional=True, advanced=True,
                                 help="For layers from elsewhere; empty takes the tag “highway”.")
    width_field: str = attribute("Field with the width", parent="roads", optional=True, advanced=True,
                                 help="In metres unless its values carry a unit; empty takes the tag “width”.")
    service_roads: str = choice("Service roads are", ROLES, default="roads",
                                help="Driveways, alleys and aisles of car parks.")
    tracks: str = choice("Tracks are", ROLES, default="roads", help="Through fields and forest.")
    footways: str = choice("Footways, paths, cycleways and steps are", ROLES, default="background", advanced=True,
                          help="Bridleways and pedestrian streets too.")
    widths: str = file("Widths by class", extension="csv", optional=True, advanced=True,
                       help="CSV file with the headings class and width (in metres); its rows replace those of the table here, and a width of 0 "
                            "leaves a class out. The ground of classes that no table has is ignored: neither road nor background.")
    other_width: float = number("Width of other roads [m]", default=None, minimum=0.5, maximum=80, advanced=True,
                                help="Of classes the table does not list, and of every line of a layer without classes; empty ignores their "
                                     "ground.")
    drawing: str = choice("A pixel is road where", {"all_touched": "A road touches it", "cover": "A road covers enough of it"},
                          default="all_touched", advanced=True,
                          help="Touching keeps narrow roads in one piece. With cover, the share that is covered is kept in the dataset too.")
    minimum_cover: float = number("Share of a pixel that makes it road", default=0.3, minimum=0.01, maximum=1, advanced=True,
                                  help="From 0 to 1, where a pixel is road when a road covers enough of it.")
    edge: float = number("Zone around roads that is ignored [m]", default=5, minimum=0, maximum=100, advanced=True,
                         help="Pixels whose centres are so near to a road, and are no road, count neither as road nor as background: "
                              "lines are some metres off.")
    incomplete: str = choice("Where roads seem to be missing", {"down_weight": "The tile counts less in training", "leave_out": "The tile is not cut",
                                                                "keep": "The tile counts in full"}, default="down_weight", advanced=True,
                             help="Tiles in which much built-up ground has few roads around.")
    built_up: dict = raster("Built-up ground", optional=True, advanced=True,
                            help="Land cover such as WorldCover, or a raster of 0 and 1. Empty takes an index of the image, for which the bands B03, "
                                 "B04, B08 and B11 are needed.")
    built_up_values: str = text("Values of built-up ground", default=None, advanced=True,
                                help="Separated by commas; empty takes 1 in a raster of 0 and 1, else 50 (WorldCover, CGLS-LC100).")
    minimum_density: float = number("Least length of roads for built-up ground [km/km²]", default=5, minimum=0, maximum=1000, advanced=True,
                                    help="A tile with less seems to lack roads.")
    minimum_built_up: float = number("Share of built-up ground from which on a tile is judged", default=0.1, minimum=0.001, maximum=1, advanced=True,
                                     help="From 0 to 1. A tile with less built-up ground is taken as it is.")
    clouds: str = masking.known_from("Pixels under cloud and shadow have no label and count as not measured.", advanced=True)
    cloud_masks: list = masking.masks_of_each(advanced=True)
    finer: str = choice("Finer grid", {"1": "1: pixels of the image", "2": "2: pixels of half the edge", "4": "4: pixels of a quarter of the edge"},
                        default="1", advanced=True,
                        help="Images are resampled bilinearly and roads are drawn on the finer pixels; maps of the model are as fine. Training and "
                             "mapping take 4 or 16 times as long, and tiles show less ground.")
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = extent("Extent", optional=True, advanced=True,
                          help="Only tiles inside are cut. Give it where the roads are an extract that is smaller than the images.")
    minimum_valid: float = tiling.minimum_valid()
    nodata: float = tiling.nodata()
    validation_share: float = tiling.validation_share()
    test_share: float = tiling.test_share()
    block_size: int = tiling.block_size()
    drop_ways: float = number("Ways left out of the training labels [%]", default=0, minimum=0, maximum=90, advanced=True,
                              help="To test how well a model finds roads that a map lacks: whole ways, drawn by the seed, are background in training "
                                   "and roads in validation and test.")
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints()
    ways: str = vector_output("Ways and what became of them", optional=True, created=False,
                              help="Every way on the images with its class, its width, and whether it became road, is ignored, or why it is left "
                                   "out.")

    def check(self) -> None:
        tiling.check_tiling(self)
        masking.check_scenes(self)

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.building import About, Cutting, Imagery, build_dataset, describe_sensor, open_scenes
        from ...engine.datasets.cloud_masks import clear_scenes, clouded_share
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.roads.completeness import make_screen
        from ...engine.themes.roads.dropping import drop_ways
        from ...engine.themes.roads.labels import RoadDrawing, make_labels
        from ...engine.themes.roads.ways import RoadRules, open_roads
        from ...engine.themes.roads.ways_layer import write_ways
        from ...engine.themes.roads.widths import TABLE_FILE, WidthTable, read_table, write_table
        from ...outputs import new_folder

        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress, int(self.finer))
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        scenes = clear_scenes(scenes, self.cloud_masks or (), self.clouds, progress)
        grids = [scene.grid for scene in scenes]
        table = WidthTable(read_table(self.widths), self.other_width)
        rules = RoadRules(self.service_roads, self.tracks, self.footways, table, self.class_field, self.width_field)
        roads = open_roads(self.roads, grids, rules, self.extent, progress.part(0, 0.1))
        screen = make_screen(sensor, grids, self.incomplete, self.built_up, self.built_up_values, self.minimum_density,
                             self.minimum_built_up, progress.part(0.1, 0.15))
        labels = make_labels(roads, RoadDrawing(self.drawing, self.minimum_cover, self.edge), screen)
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid), self.tile_size, scenes, plan,
                                 progress)
        with new_folder(self.output) as folder:
            write_table(folder / TABLE_FILE, table.widths)
            about = About(dataset_name(self), "roads", labels.theme_facts)
            split = build_dataset(folder, Imagery(scenes, sensor), labels, cutting, plan, about, progress.part(0.15, 0.95))
            if self.drop_ways:
                drop_ways(folder, labels, self.drop_ways, self.seed, progress.part(0.95, 1))
        result = {"output": self.output, "tiles": len(split.names), **split.counts, "roads_drawn": roads.facts["drawn"]["ways"],
                  "road_km": roads.facts["drawn"]["km"], "tunnels_left_out": roads.tunnels, **clouded_share(self.output),
                  **copy_footprints(self.output, self.footprints)}
        if self.ways:
            write_ways(self.ways, roads.ways, progress)
            result["ways"] = self.ways
        return result
