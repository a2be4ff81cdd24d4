"""What is asked for of scenes, and the scenes that were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shapely.geometry.base import BaseGeometry

from ..rasters.deliveries.items import Item


@dataclass(frozen=True)
class Kind:
    """A kind of scenes.

    Attributes:
        title: for people.
        collection: in Earth Search (github.com/Element84/earth-search). Of its two of Sentinel-2 L2A, “c1” says rightly how values are stored.
        others: what other catalogues call the same.
        clouds: whether clouds hide the ground.
        prefix: of the names of images.
    """

    title: str
    collection: str
    others: tuple[str, ...]
    clouds: bool
    prefix: str


KINDS = {"sentinel2_l2a": Kind("Sentinel-2 L2A", "sentinel-2-c1-l2a", ("sentinel-2-l2a", "sentinel-2-pre-c1-l2a"), True, "S2"),
         "sentinel1_grd": Kind("Sentinel-1 GRD", "sentinel-1-grd", ("sentinel-1-rtc",), False, "S1")}


#: A last day in a later year is none that was asked for.
LAST_YEAR = 9000


@dataclass(frozen=True)
class Query:
    """Which scenes are wanted.

    Attributes:
        kind: key of `KINDS`.
        first: first day, or moment, in UTC.
        last: last one, within.
        area: in longitude and latitude; None is everywhere.
        months: of the year, 1 to 12; empty takes all.
        most_clouds: largest share under cloud, 0 to 1; None takes all.
        collection: of the catalogue; empty is that of the kind.
        most: scenes that are asked for at most.
    """

    kind: str
    first: datetime
    last: datetime
    area: BaseGeometry | None = None
    months: frozenset[int] = frozenset()
    most_clouds: float | None = None
    collection: str = ""
    most: int = 1000

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of collections whose items are meant."""
        known = KINDS[self.kind]
        return (self.collection,) if self.collection else (known.collection, *known.others)

    def takes(self, item: Item) -> bool:
        """Whether an item is of the days, months and clouds; where it lies is looked at elsewhere."""
        collection = item.content.get("collection")
        if isinstance(collection, str) and collection and collection not in self.collections:
            return False
        if item.when is None or not self.first <= item.when <= self.last or (self.months and item.when.month not in self.months):
            return False
        clouds = item.cloud_share
        return self.most_clouds is None or not KINDS[self.kind].clouds or clouds is None or clouds <= self.most_clouds

    def words(self) -> str:
        """What is asked for, for people."""
        days = "" if self.last.year > LAST_YEAR else f" from {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"
        until = f"{KINDS[self.kind].title}{days}"
        months = f", in the months {', '.join(map(str, sorted(self.months)))}" if self.months else ""
        clouds = f", with at most {self.most_clouds:.0%} clouds" if self.most_clouds is not None and KINDS[self.kind].clouds else ""
        return until + months + clouds


@dataclass(frozen=True)
class Found:
    """A scene that was found.

    Attributes:
        item: see there; its files are named wholly.
        footprint: in longitude and latitude.
        overlap: share of the area asked for, or of the radar scene, that it shows, 0 to 1; None where there was none.
        hours: from the radar scene to this one; None without one.
        clear: share of the ground it shares with the radar scene that is clear, 0 to 1; None where nothing says it.
        place: number of the place drawn by chance that it is of, from 1; 0 where none was drawn.
        point: longitude and latitude of that place.
        image: path of the image that was loaded of it, below the folder; empty where none was.
        facts: columns of the layer besides.
    """

    item: Item
    footprint: BaseGeometry
    overlap: float | None = None
    hours: float | None = None
    clear: float | None = None
    place: int = 0
    point: tuple[float, float] | None = None
    image: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def moments(first: date, last: date) -> tuple[datetime, datetime]:
    """The first and the last moment of two days, in UTC."""
    return datetime.combine(first, time.min, UTC), datetime.combine(last + timedelta(days=1), time.min, UTC) - timedelta(microseconds=1)
