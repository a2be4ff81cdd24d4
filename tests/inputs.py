"""What networks see, made up, for tests without a dataset that says it."""

from dataclasses import replace

from eo_pretrain_qgis.engine.cards import Input, InputBand


def input_band(name="B02", centre=0.0, spread=1.0, unit="unknown", scale=1.0, offset=0.0, wavelength_um=None):
    """A band whose values lie within 50 spreads of the centre."""
    return InputBand(name=name, wavelength_um=wavelength_um, unit=unit, scale=scale, offset=offset, mean=centre, std=spread, centre=centre,
                     spread=spread, minimum=centre - 50 * spread, maximum=centre + 50 * spread, p001=centre - 3 * spread, p999=centre + 3 * spread)


def seen(centre, spread, names=None, sensor="image", **facts):
    """An input with a band for each number of `centre` and of `spread`, stored units."""
    named = names or [f"B{number + 2:02}" for number in range(len(centre))]
    bands = tuple(input_band(name, float(middle), float(reach), **facts) for name, middle, reach in zip(named, centre, spread, strict=True))
    return Input(sensor, sensor, "generic", bands)


def inputs(bands=3, centre=0.0, spread=1.0, **facts):
    """The inputs of a network for one sensor, “image”, all of whose bands are scaled alike."""
    one = seen([centre] * bands, [spread] * bands, **facts)
    return {one.name: one}


def rescaled(one, centre, spread):
    """An input of a dataset with another centre and spread of all bands."""
    return replace(one, bands=tuple(replace(band, centre=float(centre), spread=float(spread)) for band in one.bands))
