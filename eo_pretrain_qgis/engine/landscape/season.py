"""The dates of a sample: one image day for mapping, twelve over the growing season for crops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Acquisition:
    """A pass of Sentinel-2: its date, and what the sky was like (see `sky.Sky`)."""

    date: str
    clouds: float
    edge: float = 0.0
    haze: float = 60.0

    @property
    def day(self) -> int:
        """Day of the year."""
        return date.fromisoformat(self.date).timetuple().tm_yday


#: The image in which land cover and roads are mapped, and the day of the radar image: winter crops stand, summer
#: crops are just up.
MAIN = Acquisition("2023-06-02", clouds=0.035, edge=0.035, haze=75)
#: Multiples of five days apart, as one orbit sees a place twice per ten days; the clouded and the cut ones are part
#: of the task.
SEASON = (
    Acquisition("2023-02-12", 0.10, haze=45),
    Acquisition("2023-03-14", 0.30),
    Acquisition("2023-04-08", 0.00),
    Acquisition("2023-04-23", 0.15, edge=0.05),
    Acquisition("2023-05-08", 0.45, haze=90),
    Acquisition("2023-05-28", 0.04),
    Acquisition("2023-06-12", 0.12, haze=100),
    Acquisition("2023-06-27", 0.00, haze=80),
    Acquisition("2023-07-17", 0.20, edge=0.05),
    Acquisition("2023-08-06", 0.02, haze=95),
    Acquisition("2023-09-05", 0.65),
    Acquisition("2023-10-10", 0.08),
)
