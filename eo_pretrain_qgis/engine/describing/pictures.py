"""The pictures in the report on a dataset, for each task: tiles with their labels, images of each class, curves of series, maps."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...progress import SILENT, Progress
from ..cards import SensorInfo
from ..datasets.dataset import SPLITS, Dataset
from ..datasets.footprints import COLORS, read_footprints
from ..even_sample import even_sample
from ..looks import html_page as page
from ..looks.map_picture import mark
from ..looks.tile_pictures import look, paint, strip, telling_tiles, tiles_of_class
from ..themes.crops.series_facts import CLEAR

SAMPLES = {"training": 6, "validation": 3, "test": 3}
#: Images of one class beside each other, their height [px] and that of tiles.
PER_CLASS, SMALL, THUMBNAIL = 8, 80, 160
#: Images of all classes together, which are in memory at once.
ALTOGETHER = 200
#: Shapes drawn on the map of the samples.
MAXIMUM_SHAPES = 20_000
#: Series behind a curve, and the days that one point of it stands for.
CURVES, STEP = 400, 10


def samples(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """Sections with pictures of samples, as the task asks for."""
    kind = dataset.kind
    if kind.sample_axes == "tb":
        return [page.heading("Series by class"), *(_curves(dataset, sensor) for sensor in dataset.sensors)]
    if kind.pixelwise:
        return [_tiles(dataset, split, count) for split, count in SAMPLES.items() if len(dataset.indices(split))]
    return _by_class(dataset, progress) if kind.labelled else _unlabelled(dataset)


def footprints(dataset: Dataset) -> str:
    """A map of the samples by split; tiles of several dates on the same ground lie on each other."""
    tiles = read_footprints(dataset.folder)
    tiles = tiles[~tiles.geometry.isna()]
    if tiles.empty:
        return page.paragraph("The samples do not say where they lie, so there is no map of them.")
    tiles = tiles.iloc[even_sample(np.arange(len(tiles)), MAXIMUM_SHAPES)]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    colors = np.array([COLORS[split] for split in dataset.splits[tiles.index]])
    width, height = np.ptp(tiles.total_bounds.reshape(2, 2), axis=0)
    are_points = np.asarray(tiles.geometry.geom_type == "Point")
    bounds = tiles.geometry.bounds.to_numpy()
    too_small = np.median(bounds[:, 2] - bounds[:, 0]) < 0.004 * max(width, height)
    if are_points.all() or too_small:
        axes.scatter((bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2, s=6, c=colors, linewidths=0)
    else:
        outlines = [np.asarray(shape.exterior.coords) for shape in tiles.geometry[~are_points]]
        axes.add_collection(PolyCollection(outlines, facecolors=colors[~are_points], edgecolors="white", linewidths=0.3, alpha=0.75))
        axes.autoscale_view()
    axes.set_xticks([])
    axes.set_yticks([])
    mark(axes, tiles.total_bounds, tiles.crs.to_wkt())
    handles = [Patch(color=color, label=split) for split, color in COLORS.items()]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    south, north = tiles.total_bounds[[1, 3]]
    wide = tiles.crs is not None and tiles.crs.is_geographic
    axes.set_aspect(1 / max(np.cos(np.radians((south + north) / 2)), 0.01) if wide else 1, adjustable="datalim")
    return drawn(figure, "map of the samples by split")


def histograms(dataset: Dataset, sensor: str) -> str:
    """Small histograms of all bands of a sensor."""
    known = dataset.statistics[sensor]
    statistics = [(band.name, known[band.name]) for band in dataset.sensor_named(sensor).bands if "histogram" in known[band.name]]
    if not statistics:
        return page.paragraph("There are no histograms.")
    columns = min(4, len(statistics))
    rows = -(-len(statistics) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.7 * rows), layout="constrained")
    for number, (name, row) in enumerate(statistics, 1):
        axes = figure.add_subplot(rows, columns, number)
        axes.stairs(row["histogram"], row["edges"], fill=True, color="#4477aa")
        axes.set_title(name, fontsize="small")
        axes.set_yticks([])
        axes.tick_params(labelsize="x-small")
    return drawn(figure, f"histograms of the bands of {sensor}")


def angles(facts: dict, colors: list[str]) -> str:
    """The incidence angles of each class as bars from their 5th to their 95th percentile."""
    rows = [(row, color) for row, color in zip(facts["classes"], colors, strict=True) if row["low"] is not None]
    figure = Figure(figsize=(7, 0.6 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot(xlabel="incidence angle [degree]")
    for number, (row, color) in enumerate(rows):
        axes.barh(number, row["high"] - row["low"], left=row["low"], color=color, edgecolor="#555555", linewidth=0.5)
        axes.plot(row["median"], number, "|", color="black", markersize=10)
    axes.set_yticks(range(len(rows)), [row["name"] for row, _ in rows], fontsize="small")
    axes.invert_yaxis()
    return drawn(figure, "incidence angles of each class")


def drawn(figure: Figure, text: str) -> str:
    """A figure as a picture in a page, with words for those who do not see it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return page.picture(np.asarray(canvas.buffer_rgba())[..., :3], text)


def _tiles(dataset: Dataset, split: str, count: int) -> str:
    """Images of every sensor above their labels, tile beside tile."""
    tiles = telling_tiles(dataset, dataset.indices(split), count)
    layers = [look(dataset, tiles, sensor.name) for sensor in dataset.sensors if dataset.shards.holding(sensor.name)[tiles].all()]
    layers.append(paint(dataset.labels(tiles), dataset.classes))
    column = np.concatenate([strip(layer, THUMBNAIL) for layer in layers])
    return page.heading(f"Samples for {split}") + page.picture(column, f"images and labels of {len(tiles)} {split} tiles")


def _by_class(dataset: Dataset, progress: Progress) -> list[str]:
    """A row of images for each class; all are stretched alike, so that dark classes stay dark."""
    count = min(PER_CLASS, max(2, ALTOGETHER // max(len(dataset.classes), 1)))
    rows = [(row.name, tiles) for position, row in enumerate(dataset.classes)
            if len(tiles := tiles_of_class(dataset, position, SPLITS[0], count))]
    if not rows:
        return []
    shown, place = np.unique(np.concatenate([tiles for _, tiles in rows]), return_inverse=True)
    looks = []
    for number, sensor in enumerate(dataset.sensors):
        progress.at(number / len(dataset.sensors), "Drawing")
        looks.append(look(dataset, shown, sensor.name))
    sections, first = [page.heading(f"Training {dataset.kind.unit} of each class")], 0
    for name, tiles in rows:
        mine = place.ravel()[first:first + len(tiles)]
        first += len(tiles)
        sections += [page.paragraph(name), page.picture(np.concatenate([strip(one[mine], SMALL) for one in looks]), f"images of {name}")]
    return sections


def _unlabelled(dataset: Dataset) -> list[str]:
    sections = []
    for sensor in dataset.sensors:
        tiles = even_sample(dataset.indices(SPLITS[0], sensor.name), PER_CLASS)
        if len(tiles):
            sections += [page.heading(f"Training tiles of {sensor.name}"),
                         page.picture(strip(look(dataset, tiles, sensor.name), THUMBNAIL), f"{len(tiles)} tiles of {sensor.name}")]
    return sections


def _curves(dataset: Dataset, sensor: SensorInfo) -> str:
    """The season of each class: median and quartiles of the clear dates, of NDVI where red and near infrared exist."""
    names = [band.name for band in sensor.bands]
    infrared = next((name for name in ("B08", "B8A") if name in names), "")
    shown = "NDVI" if infrared and "B04" in names else names[0]
    columns = min(4, max(len(dataset.classes), 1))
    rows = -(-len(dataset.classes) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.9 * rows), layout="constrained")
    first = None
    for position, row in enumerate(dataset.classes):
        axes = first = figure.add_subplot(rows, columns, position + 1, sharex=first, sharey=first)
        axes.set_title(row.name, fontsize="small")
        axes.tick_params(labelsize="x-small")
        tiles = tiles_of_class(dataset, position, SPLITS[0], CURVES)
        if len(tiles):
            days, values = _clear_values(dataset, tiles, sensor, shown, infrared)
            _draw_curve(axes, days, values, row.color)
    begin = date(int(dataset.facts["first_year"]), 1, 1) if "first_year" in dataset.facts else None
    if first is not None and begin:
        low, high = first.get_xlim()
        ticks = np.linspace(low, high, 4)[1:-1]
        first.set_xticks(ticks, [(begin + timedelta(float(tick))).strftime("%b %y") for tick in ticks])
    of = f" of {sensor.name}" if len(dataset.sensors) > 1 else ""
    return page.paragraph(f"{shown}{of} on clear dates of the training series: median and quartiles of each {STEP} days.") + \
        drawn(figure, f"{shown}{of} over the season, for each class")


def _clear_values(dataset: Dataset, tiles: np.ndarray, sensor: SensorInfo, shown: str, infrared: str) -> tuple[np.ndarray, np.ndarray]:
    """Days and values of all clear dates of some series."""
    series = dataset.images(tiles, sensor.name)
    days, flags = (dataset.array_of(sensor.name, name, tiles) for name in ("days", "flags"))
    if days is None:
        days = np.broadcast_to(np.arange(series.shape[1]), series.shape[:2])
    clear = (days >= 0) & sensor.valid(series)
    if flags is not None:
        clear &= flags == CLEAR
    bands = {band.name: series[..., number][clear] * band.scale + band.offset for number, band in enumerate(sensor.bands)
             if band.name in (shown, infrared, "B04")}
    if shown != "NDVI":
        return days[clear], bands[shown]
    total = bands[infrared] + bands["B04"]
    return days[clear], np.where(total > 0, (bands[infrared] - bands["B04"]) / np.where(total > 0, total, 1), np.nan)


def _draw_curve(axes, days: np.ndarray, values: np.ndarray, color: str) -> None:
    known = np.isfinite(values)
    bins, values = days[known] // STEP, values[known]
    present = np.unique(bins)
    if not len(present):
        return
    quartiles = np.array([np.percentile(values[bins == number], (25, 50, 75)) for number in present])
    middle = (present + 0.5) * STEP
    axes.fill_between(middle, quartiles[:, 0], quartiles[:, 2], color=color, alpha=0.35, linewidth=0)
    axes.plot(middle, quartiles[:, 1], color=color, marker=".", markersize=3, linewidth=1)
