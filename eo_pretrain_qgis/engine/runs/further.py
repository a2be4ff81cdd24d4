"""What is asked of an evaluation beside its figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Further:
    """What else is measured and written; layers are a job's vector values.

    Attributes:
        errors: path of the layer of errors; empty for none.
        reference_lines: roads of another source; None for none.
        places: path of the layer of places where the map may lack a road; empty for none.
        points: independent points; None for none.
        point_field: field with their class.
        lucas: path of a table of LUCAS points in their place; empty for none.
        class_table: path of a table that makes classes of the points those of the model; empty for none.
        judged: such places that were judged; None for none.
        seed: of what is drawn.
        subset: name of the subset whose tiles are measured in place of those of no subset; empty for the latter.
    """

    errors: str = ""
    reference_lines: dict | None = None
    places: str = ""
    points: dict | None = None
    point_field: str | None = None
    judged: dict | None = None
    seed: int = 0
    lucas: str = ""
    class_table: str = ""
    subset: str = ""

    @property
    def of_roads(self) -> bool:
        """Whether something is asked that only roads have."""
        return bool(self.reference_lines or self.places or self.judged)


def tiles_words(split: str, subset: str) -> str:
    """The tiles that are measured, as people say it."""
    return ("all tiles" if split == "all" else f"the {split} tiles") + (f" of the subset “{subset}”" if subset else "")
