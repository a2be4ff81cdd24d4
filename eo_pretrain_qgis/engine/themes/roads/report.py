"""What a report says of a dataset of roads: what was drawn, what was left out and why, and tiles with the roads printed on the image."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, Dataset
from ...looks import html_page as page
from ...looks.tile_pictures import look
from .ways import COVERAGE

#: Tiles shown, with roads and suspicious.
PICTURED = 6
#: Tiles are pictured about this wide [px].
THUMBNAIL = 200
ROAD_COLOR, IGNORED_COLOR = (215, 25, 28), (253, 231, 37)
#: How much of the colour is laid over the image.
ROAD_OPACITY, IGNORED_OPACITY = 0.6, 0.35
MANY = 0.1
MOSTLY = 0.8
ORIGINS = {"width": "the tag “width”", "lanes": "“lanes” × 3.5 m", "table": "the table by class", "other": "“Width of other roads”"}


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """The pieces of the page that only a dataset of roads has.

    Args:
        dataset: of the theme "roads".
        progress: told how far it is.
    """
    facts = dataset.facts
    progress.at(0, "Drawing the roads")
    left_out = [(reason, row["ways"], row["for_vehicles"], row["km"]) for reason, row in facts["left_out"].items()]
    pieces = [
        page.heading("Roads"), page.paragraph(_summary(facts)),
        page.table(("class", "ways", "km", "median width [m]"),
                   [(name, row["ways"], row["km"], row["width_m"]) for name, row in facts["classes"].items()]),
        page.paragraph("Widths are from " + ", ".join(f"{ORIGINS[origin]} ({ways} ways)" for origin, ways in facts["width_from"].items()) + "."),
    ]
    if left_out:
        pieces += [page.heading("Ways left out"), page.table(("reason", "ways", "of these for vehicles", "km"), left_out)]
    pieces += _pictures(dataset, _tiles_with_roads(dataset), "Roads printed on the image",
                        "Red is road, yellow counts as neither road nor background.")
    progress.at(0.6, "Drawing the roads")
    return pieces + _screen(dataset, facts)


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in a dataset of roads, in words."""
    facts, found = dataset.facts, []
    if facts["coverage"] < COVERAGE:
        found.append(f"The ways reach over {facts['coverage']:.0%} of the images. That is right where the rest is water or has no roads; "
                     "roads that are there are taught as background.")
    if lost := facts.get("training_without"):
        found.append(f"{lost['ways']} of {lost['of']} ways were taken out of the training labels on purpose, and are in those of validation and "
                     "test.")
    if not facts["screen"]:
        found.append("Whether roads are missing from the map was not checked.")
    elif (share := float(dataset.column("suspicious").mean())) > 0:
        found.append(f"{share:.0%} of the tiles have much built-up ground with few roads around: the map may lack some.")
    widths = facts["width_from"]
    if widths.get("table", 0) > MOSTLY * sum(widths.values()):
        found.append(f"{widths['table'] / sum(widths.values()):.0%} of the widths are estimates by class; tags give the others.")
    pixel = float(np.mean(dataset.description["resolution_m"]))
    narrow = sum(row["ways"] for row in facts["classes"].values() if row["width_m"] < pixel)
    if narrow > facts["drawn"]["ways"] / 2:
        found.append(f"{narrow / facts['drawn']['ways']:.0%} of the ways belong to classes narrower than a pixel of {pixel:.3g} m: "
                     "judge maps with a tolerance of a pixel or more.")
    empty = float((dataset.column("road_km") == 0).mean())
    if empty > 1 - MANY:
        found.append(f"{empty:.0%} of the tiles have no road.")
    return found


def _summary(facts: dict) -> str:
    drawn = "every pixel a road touches" if facts["drawing"] == "all_touched" else f"pixels covered by {facts['minimum_cover']:.0%} or more"
    zone = f"; what is within {facts['edge_m']:g} m of a road and no road is not judged" if facts["edge_m"] else ""
    ways, kilometres = facts["ignored"]["ways"], facts["ignored"]["km"]
    ignored = f" {ways} ways ({kilometres:.1f} km) are neither road nor background." if ways else ""
    return (f"{facts['drawn']['ways']} of {facts['ways']} ways of {facts['path']} on the images are drawn, {facts['drawn']['km']:.1f} km. "
            f"Road is {drawn}{zone}.{ignored}{_origin(facts)}")


def _origin(facts: dict) -> str:
    """Licence and time of the roads, where their layer says them."""
    at = f", as of {facts['data_of']}" if facts.get("data_of") else ""
    return f" The roads are {facts['licence']}{at}." if facts.get("licence") else ""


def _screen(dataset: Dataset, facts: dict) -> list[str]:
    screen = facts["screen"]
    if not screen:
        return []
    suspicious = np.flatnonzero(dataset.column("suspicious") == 1)
    done = {"keep": "They count in full.", "down_weight": "They count less in training.", "leave_out": "They were left out."}[screen["action"]]
    text = (f"A cell of {screen['cell_m']:g} m lacks roads when at least {screen['minimum_built_up_share']:.0%} of it is built up and it has less "
            f"than {screen['minimum_density_km_per_km2']:g} km of roads for each km² of built-up ground; a tile is suspicious when such cells "
            f"hold {screen['lacking_share']:.0%} or more of its built-up ground. Built up is {screen['built_up_from']}. Roads missing where "
            f"nothing is built, such as tracks, are not found this way. {len(suspicious)} of {len(dataset)} tiles here are suspicious. {done}")
    return [page.heading("Are roads missing?"), page.paragraph(text), _chart(dataset, screen),
            *_pictures(dataset, suspicious[:PICTURED], "Tiles that seem to lack roads", "Look whether there are roads that the map does not have.")]


def _tiles_with_roads(dataset: Dataset) -> np.ndarray:
    """Tiles from many roads to few, out of those that have some."""
    share = dataset.column("share_1")
    order = np.argsort(-share, kind="stable")[:int((share > 0).sum())]
    return order[np.linspace(0, 0.9 * (len(order) - 1), min(PICTURED, len(order))).astype(int)]


def _pictures(dataset: Dataset, tiles: np.ndarray, title: str, text: str) -> list[str]:
    """Images of each sensor, above the first of them with the roads printed on them."""
    if not len(tiles):
        return []
    step, zoom = -(-dataset.tile_size // THUMBNAIL), max(1, THUMBNAIL // dataset.tile_size)
    plain = [look(dataset, tiles, sensor.name)[:, ::step, ::step] for sensor in dataset.sensors]
    marked = printed(plain[0], dataset.labels(tiles)[:, ::step, ::step])
    pairs = np.concatenate([*plain, marked], 1).repeat(zoom, 1).repeat(zoom, 2)
    framed = np.pad(pairs, ((0, 0), (0, 0), (2, 2), (0, 0)), constant_values=255)
    return [page.heading(title), page.paragraph(text), page.picture(np.concatenate(list(framed), 1), f"{title}: {len(tiles)} tiles")]


def printed(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Images uint8 (n, y, x, 3) with labels (n, y, x) laid over them: roads red, what is not judged yellow."""
    result = images.astype(np.float32)
    for chosen, color, opacity in ((labels == 1, ROAD_COLOR, ROAD_OPACITY), (labels == IGNORE, IGNORED_COLOR, IGNORED_OPACITY)):
        result[chosen] = (1 - opacity) * result[chosen] + opacity * np.array(color, np.float32)
    return result.round().astype(np.uint8)


def _chart(dataset: Dataset, screen: dict) -> str:
    """Roads against built-up ground, a point for each tile."""
    suspicious, built_up, road_km = dataset.column("suspicious") == 1, dataset.column("built_up"), dataset.column("road_km")
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.add_subplot(xlabel="built-up share of the tile", ylabel="roads in the tile [km]")
    for chosen, color, label in ((~suspicious, "#4477aa", "in order"), (suspicious, "#d7191c", "suspicious")):
        axes.plot(built_up[chosen], road_km[chosen], ".", color=color, label=f"{label} ({int(chosen.sum())})")
    limit = float(built_up.max())
    x, y = dataset.description["resolution_m"]
    least = screen["minimum_density_km_per_km2"] * dataset.tile_size**2 * x * y / 1e6
    axes.plot([0, limit], [0, least * limit], color="#888888", linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return page.picture(np.asarray(canvas.buffer_rgba())[..., :3], "roads against built-up ground")
