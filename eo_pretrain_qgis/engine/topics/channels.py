"""Channels computed from the bands of an image: ``HH, (HH+HV)/2, HH-HV``.

A channel is a formula of band names, numbers, ``+ - * /``, brackets and a few functions. It is read as a syntax tree and worked out
node by node; nothing in it is executed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import JobError

_OPERATORS: dict[type, Callable] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_SIGNS: dict[type, Callable] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: dict[str, Callable] = {"log10": np.log10, "sqrt": np.sqrt, "abs": np.abs}
#: Like- and cross-polarised pairs of Sentinel-1.
_PAIRS = (("HH", "HV"), ("VV", "VH"))
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Channel:
    """One formula, read and checked.

    Attributes:
        text: as it was written.
        bands: 0-based positions of the bands it needs.
    """

    text: str
    tree: ast.expr
    bands: dict[str, int]

    def compute(self, values: np.ndarray, positions: Sequence[int]) -> np.ndarray:
        """Works the formula out.

        Args:
            values: float32 (band, y, x).
            positions: which band of the image each of them is.

        Returns:
            float32 (y, x); not finite where the formula has no value.
        """
        slots = {name: positions.index(band) for name, band in self.bands.items()}
        with np.errstate(all="ignore"):  # a logarithm of 0 makes the pixel invalid
            result = _evaluate(self.tree, lambda name: values[slots[name]])
        return np.broadcast_to(np.asarray(result, np.float32), values.shape[1:])


def read_channels(text: str, names: Sequence[str]) -> list[Channel]:
    """Reads the channels asked for.

    Args:
        text: formulas separated by commas or semicolons. A band is called by its name, or as ``b1``, ``b2``, … by its number. Empty takes
            like, (like+cross)/2, like-cross where the image has such polarisations, else every band.
        names: of the image's bands, in order.

    Raises:
        JobError: naming the formula that cannot be read, and what the image has.
    """
    formulas = [part.strip() for part in re.split(r"[,;]", text) if part.strip()] or _default(names)
    return [_read(formula, names) for formula in formulas]


def _default(names: Sequence[str]) -> list[str]:
    """DLR's three channels of a dual-polarised scene, else all bands by number."""
    words = [set(re.split(r"[^A-Z]+", name.upper())) for name in names]
    for like, cross in _PAIRS:
        found = [[number for number, word in enumerate(words, 1) if polarisation in word] for polarisation in (like, cross)]
        if all(len(numbers) == 1 for numbers in found):
            first, second = (names[numbers[0] - 1] if _IDENTIFIER.fullmatch(names[numbers[0] - 1]) else f"b{numbers[0]}" for numbers in found)
            return [first, f"({first}+{second})/2", f"{first}-{second}"]
    return [name if _IDENTIFIER.fullmatch(name) else f"b{number}" for number, name in enumerate(names, 1)]


def _read(formula: str, names: Sequence[str]) -> Channel:
    try:
        tree = ast.parse(formula, mode="eval").body
    except SyntaxError:
        raise _refused(formula, "is no formula", names) from None
    bands: dict[str, int] = {}
    for node in ast.walk(tree):
        _check(node, formula, names)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in called:
            bands[node.id] = _position(node.id, formula, names)
    if not bands:
        raise _refused(formula, "uses no band", names)
    return Channel(formula, tree, bands)


def _check(node: ast.AST, formula: str, names: Sequence[str]) -> None:
    allowed = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.operator, ast.unaryop)
    if isinstance(node, ast.Constant):
        fine = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    elif isinstance(node, ast.Call):
        fine = isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and len(node.args) == 1 and not node.keywords
    elif isinstance(node, (ast.operator, ast.unaryop)):
        fine = type(node) in _OPERATORS or type(node) in _SIGNS
    else:
        fine = isinstance(node, allowed)
    if not fine:
        raise _refused(formula, f"holds more than bands, numbers, + - * / and {', '.join(FUNCTIONS)}", names)


def _position(name: str, formula: str, names: Sequence[str]) -> int:
    exact = [position for position, given in enumerate(names) if given.upper() == name.upper()]
    word = [position for position, given in enumerate(names) if name.upper() in re.split(r"[^A-Z0-9]+", given.upper())]
    number = re.fullmatch(r"b(\d+)", name)
    if exact or len(word) == 1:
        return (exact or word)[0]
    if number and 1 <= int(number[1]) <= len(names):
        return int(number[1]) - 1
    raise _refused(formula, f"asks for “{name}”, which is no band", names)


def _refused(formula: str, why: str, names: Sequence[str]) -> JobError:
    known = ", ".join(f"{name} (b{number})" for number, name in enumerate(names[:12], 1)) + (", …" if len(names) > 12 else "")
    return JobError(f"The channel “{formula}” {why}. The image has the bands {known}; write channels such as b1, (b1+b2)/2.")


def _evaluate(node: ast.expr, band: Callable[[str], np.ndarray]):
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left, band), _evaluate(node.right, band))
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](_evaluate(node.operand, band))
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](_evaluate(node.args[0], band))  # type: ignore[attr-defined]
    if isinstance(node, ast.Constant):
        return np.float32(node.value)  # type: ignore[arg-type]
    return band(node.id)  # type: ignore[attr-defined]
