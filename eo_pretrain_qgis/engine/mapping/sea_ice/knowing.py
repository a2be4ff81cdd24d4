"""What the classes of a model say of sea ice, by their names: how much of it, and at which stage of development."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....errors import JobError, ModelError, listed
from ...cards import ClassInfo
from ...models.package import Package
from ...themes.sea_ice.classes import SIX_TYPES
from ...themes.sea_ice.sigrid3 import STAGES, UNDETERMINED

_TENTHS = re.compile(r"(10|\d) ?/ ?10")
_NO_ICE = re.compile(r"water|ice[ -]free|no ice")
_ICE = re.compile(r"ice|nilas|(small|medium|big|vast|giant) floes?|bergs|icebergs")
#: Classes of “Create sea ice dataset” that have no stage of their own name in SIGRID-3 → its code, and that beside which it stands in thickness.
_OWN = {SIX_TYPES[1].name: (81, 81), SIX_TYPES[2].name: (70, 82), SIX_TYPES[4].name: (86, 90), SIX_TYPES[5].name: (UNDETERMINED, 95)}
#: Codes whose number does not say how thick the ice is → one that does; brash is of any ice, residual and glacier ice stand as they do in the table.
_THICKNESS = {70: 82, 86: 90, UNDETERMINED: 0}


def _letters(name: str) -> str:
    """A name without what people write in several ways: “First year ice”, “gray-white ice”."""
    return re.sub(r"\W|_", "", name.casefold()).replace("gray", "grey")


_BY_NAME = {_letters(text): code for code, text in STAGES.items() if code >= 70} | {"nilas": 82}


@dataclass(frozen=True)
class IceClass:
    """What a class says.

    Attributes:
        share: of ice, 0 to 1.
        stage: SIGRID-3 code; 99 where its name says none.
        thickness: larger for thicker ice.
    """

    share: float
    stage: int = UNDETERMINED
    thickness: int = 0

    @classmethod
    def of(cls, name: str, without_ice: Sequence[str] = ()) -> IceClass | None:
        """The meaning of a name; None where it speaks neither of ice nor of water.

        Args:
            name: of the class.
            without_ice: names of classes without ice; where there are any, all others are ice.
        """
        plain = name.strip().casefold().replace("_", " ")
        if name.strip().casefold() in without_ice or (not without_ice and _NO_ICE.search(plain)):
            return cls(0.0)
        if tenths := _TENTHS.fullmatch(plain):
            return cls(int(tenths[1]) / 10)
        if not without_ice and (plain.startswith("no ") or not re.search(rf"\b({_ICE.pattern})\b", plain)):
            return None
        code = _BY_NAME.get(_letters(plain), UNDETERMINED)
        return cls(1.0, *_OWN.get(plain, (code, _THICKNESS.get(code, code))))


@dataclass(frozen=True)
class IceTarget:
    """A target of a model that tells of ice: its name, empty for the main one, and its classes."""

    name: str
    classes: tuple[IceClass, ...]

    @property
    def shares(self) -> np.ndarray:
        """Of ice in each class, 0 to 1 (class,)."""
        return np.array([row.share for row in self.classes])

    @property
    def in_tenths(self) -> bool:
        """Whether the classes are concentrations."""
        return any(0 < row.share < 1 for row in self.classes)

    @property
    def staged(self) -> bool:
        """Whether a class tells the stage of its ice."""
        return any(row.stage != UNDETERMINED for row in self.classes)


@dataclass(frozen=True)
class IceTargets:
    """Which target of a model tells how much ice there is, and which one the stages of its development."""

    amount: IceTarget
    stages: IceTarget

    @classmethod
    def of(cls, model: Package, open_water: str = "") -> IceTargets:
        """Those of a model.

        Args:
            model: of classes.
            open_water: names of the classes without ice, separated by commas; empty finds them.

        Raises:
            JobError: a name in `open_water` is none of its classes.
            ModelError: no target tells ice from water.
        """
        if "class_map" not in model.kind.products:
            raise ModelError(f"The model {model.path} gives {model.gives if model.targets else model.kind.gives}, and sea ice is mapped from a class "
                             f"for each place. {_ADVICE}")
        given = tuple(name.strip().casefold() for name in open_water.split(",") if name.strip())
        targets = {"": model.classes, **model.further}
        names = [row.name for classes in targets.values() for row in classes]
        if unknown := sorted(set(given) - {name.strip().casefold() for name in names}):
            raise JobError(f"“Classes without ice” (open_water) names {listed(unknown)}, and the model {model.path} has the classes "
                           f"{listed(list(dict.fromkeys(names)), 20)}. Write them as they are called there.")
        readable = [target for name, classes in targets.items() if (target := _target(name, classes, given))]
        if not readable:
            raise _no_ice(model)
        amount = next((target for target in readable if target.in_tenths), readable[0])
        return cls(amount, next((target for target in readable if target.staged), amount))


_ADVICE = "Choose a model of a dataset made by “Create sea ice dataset”."


def _target(name: str, classes: Sequence[ClassInfo], given: tuple[str, ...]) -> IceTarget | None:
    """A target whose classes all speak of ice or water, and some of each."""
    own = tuple(word for word in given if word in [row.name.strip().casefold() for row in classes])
    meant = [IceClass.of(row.name, own) for row in classes]
    known = tuple(row for row in meant if row is not None)
    shares = {row.share > 0 for row in known}
    return IceTarget(name, known) if len(known) == len(meant) and shares == {True, False} else None


def _no_ice(model: Package) -> ModelError:
    names = [row.name for row in model.classes]
    meant = {name: IceClass.of(name) for name in names}
    ice = [name for name, row in meant.items() if row and row.share]
    if not ice:
        return ModelError(f"The model {model.path} has the classes {listed(names)}, of which none is ice. {_ADVICE}")
    if others := [name for name, row in meant.items() if row is None]:
        return ModelError(f"The model {model.path} has the classes {listed(names)}, and {listed(others)} "
                          f"{'is' if len(others) == 1 else 'are'} neither ice nor water by name. {_ADVICE} If it is one of sea ice, name all classes "
                          "without ice in “Classes without ice” (open_water).")
    return ModelError(f"The model {model.path} has the classes {listed(names)}, and none of them is water by its name. Name the classes without ice "
                      "in “Classes without ice” (open_water).")
