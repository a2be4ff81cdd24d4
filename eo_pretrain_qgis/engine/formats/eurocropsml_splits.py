"""The published splits of EuroCropsML: which parcels pretrain, and which train, validate and test a fine-tuning with few labels.

``split/<use case>/pretrain/region_split.json`` holds the lists train and val, ``split/<use case>/finetune/region_split_<shots>.json`` train, val and
test, each with names of files; at most so many parcels of each class train, and validation and test are the same for all numbers of shots
(github.com/dida-do/eurocropsml, dataset/splits.py and dataset/utils.py, and configs/dataset/split/ for the regions and classes of each use case).
``meta/`` repeats the parcels of ``pretrain/`` by region and class, so it is not read: regions are told by the names of the files.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from ...errors import DataError, listed
from ...tables import shortened
from .eurocropsml_files import NAME
from .samples import ImportOptions
from .tree import Tree, joined

#: Where the splits lie: unpacked beside the parcels, or into a folder of the same name.
PLACES = ("split", "split/split")
LISTS = {"train": "training", "val": "validation", "test": "test"}
PRETRAIN = "pretrain"
#: Beginning of the files of the published splits; others, by class, can be made with the makers' package.
BY_REGION = "region_split"
ADVICE = "Unpack split.zip again."


def published(tree: Tree, options: ImportOptions) -> tuple[str, list[str], np.ndarray]:
    """The parcels of a part of a use case.

    Returns:
        The path of the file that lists them; names of the parcels' files, in its order; the split of each (n,).

    Raises:
        DataError: the use case or the number of shots is not there, or a list that is damaged or names a parcel twice.
    """
    file = _file(tree, options)
    content, names, splits = tree.json(file, ADVICE), [], []
    wanted = list(LISTS)[:2] if options.part == PRETRAIN else list(LISTS)
    for key in wanted:
        found = content.get(key)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise DataError(f"{tree.full(file)} has no list “{key}” of names of parcels, but {listed(content) or 'nothing'}. It may be of another "
                            f"version: {', '.join(wanted)} are expected. {ADVICE}")
        names += found
        splits += [LISTS[key]] * len(found)
    if not names:
        raise DataError(f"{tree.full(file)} names no parcel. {ADVICE}")
    strange = next((name for name in names if not NAME.fullmatch(name)), None)
    if strange is not None:
        raise DataError(f"{tree.full(file)} names “{shortened(strange)}”, but parcels of EuroCropsML are called <region>_<parcel>_<HCAT code>.npz. "
                        f"It may be of another version. {ADVICE}")
    _refuse_repeated(tree.full(file), names, splits)
    return tree.full(file), names, np.array(splits)


def _refuse_repeated(file: str, names: list[str], splits: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        where = " and ".join(split for name, split in zip(names, splits, strict=True) if name == twice[0])
        raise DataError(f"{file} names {len(twice)} parcel{'s' if len(twice) > 1 else ''} more than once, the first {twice[0]} in {where}. {ADVICE}")


def _file(tree: Tree, options: ImportOptions) -> str:
    place = next((place for place in PLACES if _folders(tree, joined(place, options.use_case))), None)
    if place is None:
        own = next((place for place in PLACES if _folders(tree, place)), None)
        if own is None:
            raise DataError(f"{tree.path} holds no folder split/, which says which parcels train. Unpack split.zip beside preprocess/ and choose the "
                            "folder that holds both, or divide the parcels anew.")
        raise DataError(f"{tree.full(own)} holds no use case “{options.use_case}”; it has {listed(_folders(tree, own)) or 'none'}. Choose one of "
                        f"these in “EuroCropsML use case”, or divide the parcels anew. {ADVICE}")
    folder = joined(joined(place, options.use_case), options.part)
    files = [name for name in _files(tree, folder) if name.endswith(".json")]
    ending = "_split.json" if options.part == PRETRAIN else f"_split_{options.shots}.json"
    fitting = [name for name in files if name.endswith(ending)]
    chosen = [name for name in fitting if name.startswith(BY_REGION)] or fitting
    if len(chosen) != 1:
        what = "split" if options.part == PRETRAIN else f"split of {options.shots} shots"
        raise DataError(f"{tree.full(folder)} holds {f'{len(chosen)} files' if chosen else 'no file'} of the {what} (…{ending}); it has "
                        f"{listed(chosen or files, 12) or 'none'}. Choose what is there in “EuroCropsML shots”, or other data: these may be of "
                        f"another version. {ADVICE}")
    return joined(folder, chosen[0])


def _folders(tree: Tree, folder: str) -> list[str]:
    return tree.children(folder)[0] if (tree.path / folder).is_dir() else []


def _files(tree: Tree, folder: str) -> list[str]:
    return tree.children(folder)[1] if (tree.path / folder).is_dir() else []
