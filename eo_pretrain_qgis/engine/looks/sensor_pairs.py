"""What the page of a dataset says of pairs of images of two sensors."""

from __future__ import annotations

from . import html_page as page

#: Days between two sensors after which fields, snow and ice may have changed.
FAR_DAYS = 10


def pair_sections(pairs: list[dict]) -> list[str]:
    """A table of which image of the second sensor goes with which of the first; none without a second sensor."""
    if not pairs:
        return []
    return [page.heading("Pairs of the two sensors"),
            page.table(("scene", "partner", "days between", "overlap", "warped onto the grid"), [
                (pair["scene"], pair["partner"], "unknown" if pair["days"] is None else str(pair["days"]), f"{pair['overlap']:.0%}",
                 "yes" if pair["aligned"] else "no, same grid") for pair in pairs])]


def pair_warnings(pairs: list[dict]) -> list[str]:
    """What to beware of in pairs of two sensors."""
    unknown, days = sum(pair["days"] is None for pair in pairs), [abs(pair["days"]) for pair in pairs if pair["days"] is not None]
    found = [f"For {unknown} of {len(pairs)} pairs of images the days between the two sensors are unknown."] if unknown else []
    if days and max(days) > FAR_DAYS:
        found.append(f"Images of the two sensors are up to {max(days)} days apart; fields, water and snow may have changed between.")
    return found
