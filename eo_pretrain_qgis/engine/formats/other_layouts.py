"""Published layouts that look like folders of classes and are none: told by the names of their folders and files, and by what is in them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from ...errors import DataError, listed
from .pictures import Header, Picture, is_image
from .tree import Tree, joined, stem

#: Words for kinds of images and labels, and words that stand beside them in names of folders such as images_png or s2_1.
PARTS = frozenset(re.findall(r"\w+", """image images img imgs picture pictures rgb rgbn nir cir ir swir ms hsi optical opt sar radar s1 s2
    sentinel1 sentinel2 naip vv vh hh hv dem dsm dtm ndsm elevation lidar label labels lbl mask masks msk gt truth annotation annotations
    target targets seg segmentation lc nlcd pre post before after time1 time2 t1 t2 im1 im2 window"""))
BESIDE = frozenset(re.findall(r"\w+", """png tif tiff jpg jpeg jp2 event disaster damage change flood fire semantic instance class classes
    data raw a b l1c l2a"""))
#: Ends of names of files that tell kinds of images apart: x_rgb.jp2, x_dem.tif, x_seg.tif.
KINDS = re.compile(r"(?:(.*)[_-])?(rgbi?|n?ir|cir|sat|naip|n?dsm|dem|dtm|seg|gt|masks?|labels?|target|nlcd|landcover|lc|s1|s2|v[vh]|h[hv]|"
                   r"b(?:0?[1-9]|1[0-2]|8a)|\d{2}m)")
#: So many files of a folder are looked at.
LOOKED_AT = 400
ADVICE = ("For a class per pixel copy the images into images/ and their label images into labels/, under the same names, and import these; "
          "for pretraining give the images to “Create pretraining dataset”")


@dataclass(frozen=True)
class _Layout:
    """A name for people, what names of folders and of files match, each pattern one or more, and what to do."""

    name: str
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    advice: str = ADVICE + "."


LAYOUTS = (
    _Layout("LoveDA", ("images_png", "masks_png"),
            advice="Copy images_png as images/ and masks_png as labels/ into a new folder, and import that."),
    _Layout("BRIGHT", ("pre-event", "post-event")),
    _Layout("pairs of images of two dates (LEVIR-CD and the like)", ("[aA]", "[bB]", "[lL]abels?|[mM]asks?|OUT|out|gt")),
    _Layout("GeoNRW", files=(r".+_rgb\.(jp2|tiff?)", r".+_(dem|seg)\.tiff?")),
    _Layout("EnviroAtlas", files=(r".+_a_naip\.tiff?", r".+_[b-h]\d?_\w+\.tiff?")),
)


def refuse_other_layouts(tree: Tree, roots: list[str], classes: dict[str, list[str]], named: bool) -> None:
    """Refuses folders that hold kinds of images or labels and no classes.

    Args:
        tree: where they lie.
        roots: the folders that hold them.
        classes: name → paths of the folders that were taken for classes.
        named: a table says that they are classes, whatever they are called.

    Raises:
        DataError: naming the layout or the folders, and what to do with them.
    """
    places = [place for folders in classes.values() for place in folders]
    for root in roots:
        refuse_known(tree, root, 1)
    if not named:
        parts = [name for name in classes if _is_part(name)]
        if len(parts) > 1:
            raise DataError(f"{tree.path} has the folders {listed(parts, 6)}, which are named after kinds of images or labels and not after classes. "
                            f"{ADVICE}. Where they are classes, give the folders other names.")
    for place in places:
        _refuse_mixed(tree, place)
    _refuse_different(tree, classes)


def refuse_known(tree: Tree, folder: str = "", depth: int = 3) -> None:
    """Refuses a published layout that cannot be read, wherever the first folders lead to it.

    Raises:
        DataError: with the name of the layout.
    """
    folders, files = tree.children(folder)
    for layout in LAYOUTS:
        marks = (layout.folders, folders), (layout.files, files[:LOOKED_AT])
        if all(any(re.fullmatch(pattern, name) for name in names) for patterns, names in marks for pattern in patterns):
            raise DataError(f"{tree.full(folder) if folder else tree.path} holds {layout.name}, a layout that is not read: its folders are kinds of "
                            f"images and labels and no classes. {layout.advice}")
    for name in folders[:3] if depth else ():
        refuse_known(tree, joined(folder, name), depth - 1)


def _is_part(name: str) -> bool:
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word and not word.isdigit()]
    return any(word in PARTS for word in words) and all(word in PARTS or word in BESIDE for word in words)


def _refuse_mixed(tree: Tree, place: str) -> None:
    """Refuses a folder in which files of one place stand side by side."""
    kinds: dict[str, set[str]] = defaultdict(set)
    stems = [stem(name).lower() for name in tree.children(place)[1] if is_image(name)][:LOOKED_AT]
    matches = [match for match in map(KINDS.fullmatch, stems) if match]
    for match in matches:
        kinds[match[1] or ""].add(match[2])
    found = max(kinds.values(), key=len, default=set())
    if len(found) > 1 and 2 * len(matches) > len(stems):
        raise DataError(f"The folder {tree.full(place)} holds several files of one place ({listed(sorted(found), 6)}), so it is no class. {ADVICE}.")


def _refuse_different(tree: Tree, classes: dict[str, list[str]]) -> None:
    """Refuses folders each of which has bands, a type or a size of its own."""
    seen: list[tuple[str, Header]] = []
    for name, places in classes.items():
        images = [joined(place, file) for place in places for file in tree.children(place)[1] if is_image(file)]
        headers = [_header(tree, path) for path in {images[0]: None, images[-1]: None}]
        if len({_kind(header) for header in headers}) > 1:
            return  # single images differ, which is said when they are read
        seen.append((name, headers[0]))
    first = seen[0]
    for name, header in seen[1:]:
        if _kind(header) != _kind(first[1]):
            raise DataError(f"The folders of {tree.path} hold different kinds of images, {first[0]} {_words(first[1])} and {name} {_words(header)}, "
                            f"so they are no classes. {ADVICE}. Where they are classes, bring copies of the images to one size, type and number "
                            "of bands.")


def _header(tree: Tree, path: str) -> Header:
    with Picture(tree, path) as opened:
        return opened.header


def _kind(header: Header) -> tuple:
    return len(header.bands), header.dtype, header.width, header.height


def _words(header: Header) -> str:
    return f"{len(header.bands)} band(s) of {header.dtype} with {header.width} × {header.height} px"
