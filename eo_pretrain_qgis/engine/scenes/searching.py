"""Scenes of a catalogue on the network (a STAC API), or of an item file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import shapely
from shapely.geometry.base import BaseGeometry

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..rasters.deliveries.items import Item, item_of, place_of, read_items
from .areas import asked_with, footprint_of, share
from .asking import KINDS, Found, Query
from .waiting import waited

#: Seconds to wait for a connection, and for an answer.
PATIENCE = (10, 60)
#: Items of a page; Earth Search gives at most so many at once.
PAGE = 100
#: Answers after which the same request may succeed.
PASSING = (429, 500, 502, 503, 504)
TRIES = 3


class Catalogue:
    """Where scenes are looked for: a STAC API, or a file of items, which was saved.

    Args:
        address: of the API, http or https; used where there is no file.
        path: of the file; empty is none.
    """

    def __init__(self, address: str, path: str = "") -> None:
        self.address, self.path = address, path
        self._items = [] if not path else read_items(path)
        self._client: Any = None
        if not path and urlsplit(address).scheme not in ("http", "https"):
            raise DataError(f"“{address[:200]}” is no address of a STAC API. Give one that begins with https://, or a file of STAC items.")

    @property
    def name(self) -> str:
        """For people."""
        return self.path or self.address

    def footprints(self) -> BaseGeometry:
        """The ground of all items of the file."""
        return shapely.union_all([_footprint(item, self.name) for item in self._items])

    def search(self, query: Query, progress: Progress = SILENT, best_first: bool = False) -> list[Found]:
        """The scenes that a query asks for, the oldest first.

        Args:
            query: see there.
            progress: told how many there are.
            best_first: those with the fewest clouds first.

        Raises:
            DataError: no network, the server refuses, or what it gives are no items.
        """
        found: dict[str, Found] = {}
        for item in self._items if self.path else self._online(query, progress):
            if item.id in found or not query.takes(item):
                continue
            footprint = _footprint(item, self.name)
            if query.area is not None and not footprint.intersects(query.area):
                continue
            overlap = share(footprint, query.area) if query.area is not None and query.area.area else None
            found[item.id] = Found(item if not self.path else _beside(item, self.path), footprint, overlap)
            if len(found) >= query.most:
                progress.message(f"Only the first {query.most} scenes are taken; there may be more. Raise “Most scenes” (most) for all.",
                                 level="warning")
                break
        ordered = sorted(found.values(), key=lambda one: (one.item.when, one.item.id))
        return sorted(ordered, key=lambda one: 1.0 if one.item.cloud_share is None else one.item.cloud_share) if best_first else ordered

    def nothing(self, query: Query) -> DataError:
        """What to say where nothing was found."""
        held = sorted({str(item.content.get("collection") or "no collection") for item in self._items})
        have = f" The file holds items of {listed(held, 4)}." if held else ""
        return DataError(f"{self.name} has no scene of {query.words()}.{have} Choose more days, a larger area or more clouds.")

    def _online(self, query: Query, progress: Progress) -> Iterator[Item]:
        """The items of a search, page by page."""
        errors: tuple[type[BaseException], ...] = (DataError, *_network_errors())
        count = 0
        try:
            pages = self._pages(query, errors, progress)
            while True:
                page = waited(lambda: next(pages, None), errors, progress, min(0.9, count / query.most), f"Searching: {count} scenes so far")
                if page is None:
                    return
                for feature in page.get("features") or []:
                    count += 1
                    yield item_of(feature, f"{self.address}, item {count}")
        except _network_errors() as error:
            raise _explained(error, self.address) from None

    def _pages(self, query: Query, errors: tuple[type[BaseException], ...], progress: Progress) -> Iterator[dict[str, Any]]:
        from pystac_client import Client
        from pystac_client.stac_api_io import StacApiIO
        from urllib3.util import Retry

        if self._client is None:
            retry = Retry(total=TRIES, connect=1, read=1, backoff_factor=0.5, status_forcelist=PASSING, allowed_methods=None)
            self._client = waited(lambda: Client.open(self.address, stac_io=StacApiIO(timeout=PATIENCE, max_retries=retry)), errors, progress, 0,
                                  f"Asking {urlsplit(self.address).netloc}")
        client = self._client
        if not client.conforms_to("ITEM_SEARCH"):
            raise DataError(f"{self.address} is a catalogue that cannot be searched. Give the address of a STAC API, such as "
                            "https://earth-search.aws.element84.com/v1.")
        asked: dict[str, Any] = {"collections": [query.collections[0]], "datetime": f"{_stamp(query.first)}/{_stamp(query.last)}",
                                 "limit": min(PAGE, query.most)}
        if query.area is not None:
            asked["intersects"] = json.loads(shapely.to_geojson(asked_with(query.area)))
        if query.most_clouds is not None and KINDS[query.kind].clouds and client.conforms_to("QUERY"):
            asked["query"] = {"eo:cloud_cover": {"lte": round(100 * query.most_clouds, 6)}}
        return iter(client.search(**asked).pages_as_dicts())


def _stamp(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _footprint(item: Item, place: str) -> BaseGeometry:
    return footprint_of(item.geometry, item.content.get("bbox"), f"{place}: the item {item.id}")


def _beside(item: Item, path: str) -> Item:
    """An item of a file whose files are named wholly, so that it can be saved elsewhere."""
    assets = {key: {**asset, "href": place_of(asset["href"], path)} for key, asset in item.assets.items()}
    return Item(item.id, item.when, item.geometry, item.properties, assets, {**item.content, "assets": assets})


def _network_errors() -> tuple[type[BaseException], ...]:
    """What pystac-client and requests raise where a server does not answer as it should."""
    from pystac.errors import STACError, STACTypeError
    from pystac_client.exceptions import APIError

    return (APIError, STACError, STACTypeError, OSError, ValueError, KeyError, TypeError, AttributeError)


def _explained(error: BaseException, address: str) -> DataError:
    """What a failed request means, in a sentence; pystac-client keeps what requests raised as the context."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import RetryError, SSLError, Timeout

    host, status = urlsplit(address).netloc, getattr(error, "status_code", None)
    words = " ".join(str(error).split())[:160]
    reason = error if status or error.__context__ is None else error.__context__
    if isinstance(reason, SSLError):
        return DataError(f"The certificate of {host} is not trusted here ({words}). Set REQUESTS_CA_BUNDLE to the certificates of your network.")
    if isinstance(reason, Timeout):
        return DataError(f"{host} did not answer within {PATIENCE[1]} s. Try again later, or use a file of STAC items.")
    if isinstance(reason, RetryError):
        return DataError(f"{host} cannot serve now, also when asked {TRIES + 1} times ({words}). Try again later, or use a file of STAC items.")
    if isinstance(reason, NoConnection):
        return DataError(f"{host} cannot be reached. Check the address and the network (HTTPS_PROXY names a proxy), or use a file of STAC items.")
    if status:
        return DataError(f"{address} answers {status} ({words or 'no reason given'}). Check the address and the collection (collection).")
    return DataError(f"{address} gives no answer of a STAC API ({words}). Check the address.")
