"""EuroCropsML in small, of the same form as published: parcels as NumPy archives, splits as JSON, and copies with one thing wrong."""

import json
import shutil

import numpy as np

#: Parcels of each crop for training, validation and test in each country.
COUNTS = {"LV": (8, 2, 0), "PT": (6, 2, 0), "EE": (6, 2, 4)}
REGIONS = {"LV": ("LV003", "LV005"), "PT": ("PT16", "PT18"), "EE": ("EE004", "EE008")}
#: Longitude and latitude of the first parcel of a country.
PLACES = {"LV": (24.0, 57.0), "PT": (-8.0, 38.5), "EE": (25.0, 58.5)}
WHEAT, RAPESEED, GRASS, LAVENDER = "3301010101", "3301060401", "3302000000", "3301061219"
CROPS = (WHEAT, RAPESEED, GRASS)
SHOTS = ("1", "5", "20", "all")


def parcel_dates(number):
    """Days of 2021 of a parcel: 5 to 9, from March to October."""
    return np.linspace(70 + number % 7, 290, 5 + number % 5).round().astype(int)


def parcel_values(crop, number):
    """Stored values (date, 13): near infrared follows the crop's season, red falls while it rises, B10 sees hardly anything."""
    days, peak = parcel_dates(number), {WHEAT: 160, RAPESEED: 130, GRASS: 200, LAVENDER: 230}[crop]
    rng = np.random.default_rng([number, int(crop)])
    green = np.exp(-(((days - peak) / 40) ** 2))
    values = 1000 + 100 * np.arange(13)[None] + np.zeros((len(days), 1))
    values[:, 3] = 1200 - 700 * green
    values[:, 6:9] = 2000 + 2500 * green[:, None]
    values[:, 10] = 15
    return (values + rng.integers(0, 40, values.shape)).round().astype(np.int64)


def write_parcel(path, values, days, center):
    """As the makers' package writes one: int64, datetime64[D] and longitude and latitude."""
    np.savez(path, data=values, dates=np.datetime64("2021-01-01", "D") + np.asarray(days), center=np.asarray(center, float))


def eurocropsml(folder):
    """24 parcels in Portugal, 30 in Latvia and 37 in Estonia of three crops, of which one is of lavender, which only the test has."""
    root = folder / "eurocropsml"
    (root / "preprocess").mkdir(parents=True)
    lists = {country: {"train": [], "val": [], "test": []} for country in COUNTS}
    number = 0
    for country, counts in COUNTS.items():
        for crop in CROPS:
            parts = [part for part, count in zip(("train", "val", "test"), counts, strict=True) for _ in range(count)]
            for place, part in enumerate(parts):
                lists[country][part].append(_parcel(root, country, crop, number, place))
                number += 1
    lists["EE"]["test"].append(_parcel(root, "EE", LAVENDER, number, 0))
    both = {part: lists["LV"][part] + lists["PT"][part] for part in ("train", "val")}
    for use_case, pretrain in (("latvia_vs_estonia", {part: lists["LV"][part] for part in ("train", "val")}), ("latvia_portugal_vs_estonia", both)):
        _save(root / "split" / use_case / "pretrain" / "region_split.json", pretrain)
        for shots in SHOTS:
            _save(root / "split" / use_case / "finetune" / f"region_split_{shots}.json", {**lists["EE"], "train": _few(lists["EE"]["train"], shots)})
    return root


def _parcel(root, country, crop, number, place):
    name = f"{REGIONS[country][place % 2]}_{21000000 + number}_{crop}.npz"
    west, south = PLACES[country]
    write_parcel(root / "preprocess" / name, parcel_values(crop, number), parcel_dates(number), (west + 0.02 * (number % 12), south + 0.05 * place))
    return name


def _few(names, shots):
    return names if shots == "all" else [name for crop in CROPS for name in [one for one in names if crop in one][:int(shots)]]


def _save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _split_file(root, shots="20"):
    return root / "split" / "latvia_vs_estonia" / "finetune" / f"region_split_{shots}.json"


def _changed(folder, change, shots="20"):
    root = eurocropsml(folder)
    path = _split_file(root, shots)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return root


def eurocropsml_half_copied(folder):
    """Without the parcels whose numbers are even; the first one that the split of 20 shots names is gone."""
    root = eurocropsml(folder)
    for path in (root / "preprocess").glob("*.npz"):
        if int(path.stem.split("_")[1]) % 2 == 0:
            path.unlink()
    return root


def eurocropsml_named_twice(folder):
    """A training parcel of 20 shots is in the test, too."""
    return _changed(folder, lambda content: content["test"].append(content["train"][0]))


def eurocropsml_without_test(folder):
    """A list of 20 shots without its test."""
    return _changed(folder, lambda content: content.pop("test"))


def eurocropsml_other_names(folder):
    """Parcels and lists without the regions in their names."""
    root = eurocropsml(folder)
    for path in (root / "preprocess").glob("*.npz"):
        path.rename(path.with_name(path.name.split("_", 1)[1]))
    for path in (root / "split").rglob("*.json"):
        content = {part: [name.split("_", 1)[1] for name in names] for part, names in json.loads(path.read_text()).items()}
        path.write_text(json.dumps(content))
    return root


def eurocropsml_cut_short(folder):
    """The first training parcel ends in the middle."""
    return _with_first(folder, lambda path: path.write_bytes(path.read_bytes()[:500]))


def eurocropsml_objects(folder):
    """The first training parcel holds Python objects, which would have to be unpickled."""
    return _with_first(folder, lambda path: np.savez(path, data=np.array([{}], object), dates=np.array(["2021-05-01"], "datetime64[D]"),
                                                     center=np.array([25.0, 58.0])))


def eurocropsml_twelve_bands(folder):
    """The first training parcel has 12 bands."""
    return _with_first(folder, lambda path: write_parcel(path, np.ones((5, 12), int), [80, 90, 100, 110, 120], (25, 58)))


def eurocropsml_without_center(folder):
    """The first training parcel has no centre."""
    return _with_first(folder, lambda path: np.savez(path, data=np.ones((1, 13)), dates=np.array(["2021-05-01"], "datetime64[D]")))


def _with_first(folder, change):
    root = eurocropsml(folder)
    change(root / "preprocess" / json.loads(_split_file(root).read_text())["train"][0])
    return root


def eurocropsml_without_splits(folder):
    """Parcels alone."""
    root = eurocropsml(folder)
    shutil.rmtree(root / "split")
    return root


def eurocropsml_zips(folder):
    """Its two archives, as they are downloaded."""
    root, place = eurocropsml(folder), folder / "zips"
    place.mkdir()
    for name in ("preprocess", "split"):
        shutil.make_archive(str(place / name), "zip", root, name)
    return place
