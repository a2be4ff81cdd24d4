"""Which sensors of a dataset a model sees: one, or two that are joined."""

from __future__ import annotations

from ...errors import DataError, listed
from ..cards import Input, Inputs
from ..datasets.alignment import days_between
from ..datasets.dataset import Dataset
from ..datasets.dates import check_season
from ..looks.sensor_pairs import FAR_DAYS
from ..measures.incidence_angle import position_of_angle, refuse_no_angle, without_angle
from .run_folder import NETWORK, RunFolder

#: What becomes of the incidence angle: a band like others, left out, taken off with one slope for each of the other bands, or a band beside which a
#: network sees the likelihood of each class.
BAND, NO_ANGLE, SLOPE, GAUSSIAN = "band", "none", "slope", "gaussian"
#: No fusion, and that of simple classifiers: bands behind each other.
ALONE, EARLY = "none", "early"
#: What “Evaluate model” shows a model of.
ALL_SENSORS = "all"


def chosen_inputs(dataset: Dataset, sensor: str | None, bands: str | None, incidence_angle: str = BAND, fusion: str = ALONE) -> Inputs:
    """What a model sees: the sensor that was chosen or the first one, or the two that are joined, by name.

    Args:
        dataset: of the images.
        sensor: name of the sensor, or of two, separated by a comma; None takes the first, or the only two.
        bands: names of bands, separated by commas; None takes all.
        incidence_angle: see `BAND`; of two sensors it means those that have one.
        fusion: how two sensors are joined.

    Raises:
        DataError: there is no such sensor or band, or not two; or see `chosen_input`.
    """
    if fusion == ALONE:
        seen = chosen_input(dataset, sensor, bands, incidence_angle)
        return {seen.name: seen}
    chosen = dataset.choose(_two_sensors(dataset, sensor, fusion), bands)
    if incidence_angle != BAND and all(seen.angle is None for seen in chosen.values()):
        refuse_no_angle(chosen.values(), str(dataset.folder), incidence_angle)
    return {name: seen if seen.angle is None else _with_angle(seen, dataset, incidence_angle) for name, seen in chosen.items()}


def chosen_input(dataset: Dataset, sensor: str | None, bands: str | None, incidence_angle: str = BAND) -> Input:
    """What a model of one sensor sees: that which was chosen or the first one, with those of its bands, the incidence angle among them or not.

    Raises:
        DataError: there is no such sensor or band, no training series has a clear date, or something is asked of an incidence angle that there is
            not.
    """
    if sensor and "," in sensor and sensor not in [one.name for one in dataset.sensors]:
        raise DataError(f"“Sensor” (sensor) is “{sensor}”, and “Fusion” (fusion) is none, which sees one of them. Choose a fusion, or name one "
                        "sensor.")
    seen, = dataset.choose([sensor or dataset.sensors[0].name], bands).values()
    if seen.dated and not seen.season:
        check_season(dataset, seen, dataset.indices("training"))
    return _with_angle(seen, dataset, incidence_angle)


def _with_angle(seen: Input, dataset: Dataset, incidence_angle: str) -> Input:
    """The input with its incidence angle or without."""
    if incidence_angle in (SLOPE, GAUSSIAN):
        position_of_angle(seen, str(dataset.folder), incidence_angle)
    if incidence_angle == GAUSSIAN and (dataset.kind.pixelwise or dataset.kind.several):
        raise DataError(f"“Incidence angle” (incidence_angle) is gaussian, which is for one class for each patch or image, and {dataset.folder} has "
                        f"{dataset.kind.words}. Choose “band”, “none” or “slope”.")
    return without_angle(seen, str(dataset.folder)) if incidence_angle == NO_ANGLE else seen


def _two_sensors(dataset: Dataset, sensor: str | None, fusion: str) -> list[str]:
    """Names of the two sensors that are joined."""
    names, asked = [one.name for one in dataset.sensors], [name.strip() for name in (sensor or "").split(",") if name.strip()]
    begin = f"“Fusion” (fusion) is {fusion}, which joins the images of two sensors, and "
    if not dataset.kind.joins:
        raise DataError(f"“Fusion” (fusion) is {fusion}, which is for a class for every pixel or for whole images, and {dataset.folder} has "
                        f"{dataset.kind.words}. Choose “none”.")
    if len(names) < 2:
        raise DataError(f"{begin}{dataset.folder} has those of one, {names[0]}. Choose “none”, or make the dataset with images of a second sensor.")
    if asked and len(set(asked)) != 2:
        raise DataError(f"{begin}“Sensor” (sensor) is “{sensor}”. Name two of {listed(names)}, such as {names[0]},{names[1]}, or choose “none”.")
    if not asked and len(names) > 2:
        raise DataError(f"{begin}{dataset.folder} has those of {len(names)}: {listed(names)}. Name two as “Sensor”, such as {names[0]},{names[1]}.")
    return [dataset.sensor_named(name).name for name in asked] or names


def days_apart(dataset: Dataset, inputs: Inputs) -> tuple[int | None, int]:
    """The most days between the images of two sensors of one place, None where none is known, and of how many places it is not known."""
    found, unknown = [], 0
    main = dataset.sensors[0].name
    for scene in dataset.description["scenes"]:
        dates = [(scene if one.sensor == main else scene.get("partners", {}).get(one.sensor, {})).get("date", "") for one in inputs.values()]
        days = days_between(*dates) if all(dates) else None
        found += [] if days is None else [abs(days)]
        unknown += days is None
    return max(found, default=None), unknown


def said_of_days(dataset: Dataset, inputs: Inputs) -> tuple[str, bool]:
    """How far apart the images of the two sensors are, as a sentence, empty of one sensor; and whether that is a warning."""
    if len(inputs) < 2 or not dataset.description["scenes"]:
        return "", False
    days, unknown = days_apart(dataset, inputs)
    names = " and ".join(inputs)
    more = f" For {unknown} of {len(dataset.description['scenes'])} images the days between are not known." if unknown else ""
    if days is None:
        return f"The dates of the images of {names} are not recorded, so nobody knows how many days lie between them.", True
    far = "; fields, water and snow may have changed between" if days > FAR_DAYS else ""
    return f"Images of {names} are up to {days} days apart{far}.{more}", bool(far or unknown)


def hidden_inputs(run: RunFolder, sensors: str) -> list[str]:
    """Names of the inputs that are hidden from a run where the images of one sensor are shown alone, by its name.

    Raises:
        DataError: the run has no such sensor, or cannot do without the other.
    """
    if sensors == ALL_SENSORS:
        return []
    inputs = run.inputs
    if sensors not in inputs:
        raise DataError(f"“Sensors” (sensors) is “{sensors}”, and the run {run.folder} sees {listed(inputs)}. Choose “all”, or one of these.")
    hidden = [name for name in inputs if name != sensors]
    if hidden and (run.kept != NETWORK or not all(inputs[name].optional for name in hidden)):
        joined = f"joins {listed(inputs)} by the fusion “{run.card['fusion']}”"
        how = joined if run.kept == NETWORK else f"kept a simple classifier of {listed(inputs)}"
        raise DataError(f"The run {run.folder} {how}, which needs both, and “Sensors” (sensors) is “{sensors}”. Choose “all”, or a run with the "
                        "fusion “gated” or “mean_of_heads”.")
    return hidden
