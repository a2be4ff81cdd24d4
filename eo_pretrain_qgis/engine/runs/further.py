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
        judged: such places that were judged; None for none.
        seed: of what is drawn.
    """

    errors: str = ""
    reference_lines: dict | None = None
    places: str = ""
    points: dict | None = None
    point_field: str | None = None
    judged: dict | None = None
    seed: int = 0

    @property
    def of_roads(self) -> bool:
        """Whether something is asked that only roads have."""
        return bool(self.reference_lines or self.places or self.judged)
