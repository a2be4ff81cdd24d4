"""What the facts of a dataset may say, for each theme: all that its report reads of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from ..records import Count, Day, Finite, Metres, Positive

Year = Annotated[int, Meta(ge=1900, le=2200)]
SeasonDay = Annotated[str, Meta(pattern=r"^(\d{4}-)?\d\d-\d\d$")]
Share = Annotated[float, Meta(ge=0, le=1)]


class SampledClass(Struct):
    """How often a class is on the ground and among the samples."""

    name: str
    prior: Finite
    sampled: Finite
    samples: Count


class Sampling(Struct):
    """How samples were drawn."""

    classes: list[SampledClass] = []
    strategy: str = ""
    prior_of: str | None = ""


class Pair(Struct):
    """An image of the first sensor and its partner of the second."""

    scene: str
    partner: str
    days: Annotated[int, Meta(ge=-100_000, le=100_000)] | None
    overlap: Finite
    aligned: bool


class Facts(Struct):
    """What datasets of any theme may say."""

    first_year: Year | UnsetType = UNSET
    sampling: Sampling | UnsetType = UNSET


class CropFacts(Facts, kw_only=True):
    """Sensor, of several tiles each tile, → days, and for each day how many samples were clear, cloud, shadow, snow and not measured;
    first and last day of the season, ``09-01`` or ``2018-09-01``, where one was asked for.
    """

    dates: dict[str, list[Day]] = {}
    clouds: dict[str, list[tuple[Count, Count, Count, Count, Count]]] = {}
    too_cloudy: Count = 0
    minimum_clear: Count | UnsetType = UNSET
    first_day: SeasonDay | UnsetType = UNSET
    last_day: SeasonDay | UnsetType = UNSET

    def __post_init__(self) -> None:
        for sensor, rows in self.clouds.items():
            if len(self.dates.get(sensor, ())) != len(rows):
                raise ValueError(f"“clouds” and “dates” have different numbers of days for “{sensor}”")
        if self.too_cloudy and self.minimum_clear is UNSET:
            raise ValueError("it lacks the key “minimum_clear”")


class FastIceFacts(Struct):
    """Patches of fast ice on images of other days than the chart's: its day, how far they were trusted, how many of each class, and how many were
    left out because HH changed and because their polygons are not for training.
    """

    day: str
    days: Count
    change_db: float
    patches: dict[str, Count]
    changed: Count
    elsewhere: Count


class IceFacts(Facts, kw_only=True):
    """How the images were read and patches cut."""

    unit: Literal["dB", "linear"]
    incidence_angle: Literal["band", "layer", "table", "orbit", "none"]
    georeferenced: list[str]
    scheme: str = ""
    patches: dict[str, Count] = {}
    polygons_without_patch: Count | None = None
    fast_ice: FastIceFacts | UnsetType = UNSET


class MapCode(Struct, rename={"klass": "class"}):
    """A code of a land-cover map."""

    value: int | str
    name: str | None
    share: Finite
    klass: str | None


class LandCoverFacts(Facts, kw_only=True):
    """The map, its years, and which labels were left out."""

    path: str
    codes: list[MapCode]
    purity: Positive
    border: Positive
    agreement: str
    soft: bool
    legend: str
    legend_table: str | None
    grouped: bool
    cell_m: tuple[Metres, Metres]
    second_map: str | None
    map_year: int | None
    map_year_from: str | None
    years_apart: Annotated[int, Meta(ge=0, le=10_000)] | None
    most_years: Annotated[int, Meta(ge=0, le=10_000)]
    image_years: list[int | str]
    pairs: list[Pair]


class Clouds(Struct):
    """How clouds in the images of a sensor were known."""

    sensor: str
    source: str
    text: str
    most: Finite


class Considered(Struct):
    """Numbers of tiles."""

    considered: Count
    nodata: Count
    cloudy: Count
    near_duplicates: Count
    kept: Count


class NearDuplicates(Struct):
    """How alike tiles must be to count once."""

    threshold: Finite


class PretrainingFacts(Facts, kw_only=True):
    """Which tiles were left out."""

    mode: Literal["single", "paired", "unpaired"]
    rejected: Considered
    clouds: list[Clouds]
    near_duplicates: NearDuplicates
    pairs: list[Pair]


class Ways(Struct):
    """A number of ways and their length."""

    ways: Count
    km: Positive


class WaysOfClass(Ways):
    """Of one class, with their median width."""

    width_m: Finite


class WaysLeftOut(Ways):
    """For one reason."""

    for_vehicles: Count


class Screen(Struct):
    """How tiles that seem to lack roads are found."""

    built_up_from: str
    action: Literal["keep", "down_weight", "leave_out"]
    minimum_density_km_per_km2: Finite
    minimum_built_up_share: Finite
    cell_m: Finite
    lacking_share: Finite


class TrainingWithout(Struct):
    """Ways that were taken out of the training labels alone."""

    percent: Finite
    seed: Count
    ways: Count
    of: Count


class RoadFacts(Facts, kw_only=True):
    """What was drawn and what was left out; licence and time of the data where the layer says them."""

    path: str
    ways: Count
    drawn: Ways
    classes: dict[str, WaysOfClass]
    ignored: Ways
    left_out: dict[str, WaysLeftOut]
    width_from: dict[Literal["width", "lanes", "table", "other"], Count]
    coverage: Share
    drawing: str
    minimum_cover: Share | None
    edge_m: Positive
    screen: Screen | None
    training_without: TrainingWithout | None = None
    licence: str = ""
    data_of: str = ""

    def __post_init__(self) -> None:
        if not self.drawn.ways:
            raise ValueError("no way is drawn")
        if not sum(self.width_from.values()):
            raise ValueError("“width_from” counts no way")
        if self.drawing != "all_touched" and self.minimum_cover is None:
            raise ValueError("it lacks the key “minimum_cover”")


class FieldFacts(Facts, kw_only=True):
    """The parcels, how their boundaries were drawn, and the dates of the images."""

    path: str
    parcels: Count
    parts: Count
    repeated: Count
    overlapping: Count
    without_pixel: Count
    boundary_m: Positive
    complete: str | None
    dates: list[str]


FACTS: dict[str, type[Facts]] = {"crops": CropFacts, "fields": FieldFacts, "sea ice": IceFacts, "land cover": LandCoverFacts,
                                 "pretraining": PretrainingFacts, "roads": RoadFacts}
