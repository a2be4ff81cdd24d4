"""Ways of OpenStreetMap from an Overpass server, as .osm files that are whole or not there at all.

A query in Overpass QL is sent by POST as the field “data” of a form (wiki.openstreetmap.org/wiki/Overpass_API and …/Overpass_QL). With ``out:xml``
and ``(._;>;)``, the ways and their nodes, the answer is an .osm file: nodes by their numbers, then ways. ``osm_base`` of its element ``meta`` is the
time of the data. A query that ran out of time or memory is answered with status 200 and all elements found so far: only an element ``remark`` with
“runtime error” tells (…/Overpass_API/Wording). A server with too much to do answers 429 or 504; public ones take about 10,000 requests and 1 GB a
day (dev.overpass-api.de/overpass-doc/en/preface/commons.html).
"""

from __future__ import annotations

import html
import os
import re
import urllib.error
from pathlib import Path
from urllib.parse import urlencode

from ...errors import DataError
from ...progress import SILENT, Progress
from .transfer import PASSING, REDIRECTS, Transfer, is_address, untrusted, wait, words

SERVER, VARIABLE = "https://overpass-api.de/api/interpreter", "EOPRETRAIN_OVERPASS"
#: How long the server may work on a query [s], its own default; and how long nothing may come from it.
TIMEOUT_S, SILENCE_S = 180, 200.0
#: Before each new attempt [s]: of a server that is busy, and of one that cannot be reached.
BUSY_S, ABSENT_S = (5.0, 15.0, 45.0, 60.0), (1.0, 3.0)
#: Longest wait that a server may ask for with Retry-After [s].
LONGEST_WAIT_S = 120.0
LARGEST_ANSWER = 2 * 10**9  # bytes; four times the memory that Overpass gives to a query
PIECE = 1 << 20
#: Bytes at the beginning that name the format and the time of the data, and those that are read of a remark.
HEAD = 4096
ADVICE = "Choose a smaller extent, run again later, or give the address of another “Server”."
_BASE = re.compile(r'<meta\s[^>]*osm_base="(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z)"')
_BUSY = ("too busy", "rate_limited")


class _Later(Exception):  # noqa: N818 - never leaves this file
    """The same request may be answered later: why, before which attempts to wait, and how long the server asks to wait."""

    def __init__(self, why: str, waits: tuple[float, ...], asked_s: float = 0.0) -> None:
        super().__init__(why)
        self.waits, self.asked_s = waits, asked_s


def server_address(given: str | None) -> str:
    """The server to ask: the one given, else EOPRETRAIN_OVERPASS, else the public one.

    Raises:
        DataError: it is no address.
    """
    address = (given or os.environ.get(VARIABLE, "")).strip() or SERVER
    if not is_address(address):
        raise DataError(f"The Overpass server “{address}” is no address. Give one that begins with https://, such as {SERVER}.")
    return address


def ways_query(key: str, box: tuple[float, float, float, float]) -> str:
    """The query for all ways that have a tag and touch a box.

    Args:
        key: of the tag, such as ``highway``.
        box: west, south, east, north [degree], west below east.
    """
    west, south, east, north = box
    return (f'[out:xml][timeout:{TIMEOUT_S}];way["{key}"]({south:.7f},{west:.7f},{north:.7f},{east:.7f});(._;>;);out body;')


def ask(server: str, query: str, path: Path, progress: Progress = SILENT) -> str:
    """Writes the answer to a query as an .osm file, and returns the time of its data, ``2026-03-01T12:00:00Z``.

    A server that is busy or cannot be reached is asked again, after some seconds.

    Args:
        server: see `server_address`.
        query: in Overpass QL.
        path: the file to write.
        progress: told how far it is and of each new attempt; cancelling leaves the file unfinished.

    Raises:
        DataError: no server, a server that refuses or stays busy, or an answer that is not whole.
    """
    tried = 0
    while True:
        tried += 1
        try:
            _fetch(server, query, path, progress)
            return _checked(server, path, progress)
        except _Later as later:
            if tried > len(later.waits):
                raise DataError(f"The Overpass server {server} was asked {tried} times, and at last it {later}. {ADVICE}") from None
            seconds = later.asked_s or later.waits[tried - 1]
            progress.message(f"The Overpass server {later}; it is asked again in {seconds:.0f} s.", level="warning")
            wait(seconds, progress, "Waiting for the Overpass server")


def _fetch(server: str, query: str, path: Path, progress: Progress) -> None:
    """One attempt."""
    form = urlencode({"data": query}).encode("ascii")
    have = 0
    with Transfer(server, SILENCE_S, form=form).running() as transfer, open(path, "wb") as stream:
        head = transfer.next(progress, 0.0, "Asking the Overpass server")
        if isinstance(head, Exception):
            raise _explained(head, server)
        while (block := transfer.next(progress, 0.1, f"Downloading from OpenStreetMap: {have / 1e6:.1f} MB")) is not None:
            if isinstance(block, Exception):
                raise _Later(f"broke off ({words(block)})", BUSY_S)
            stream.write(block)
            have += len(block)
            if have > LARGEST_ANSWER:
                raise DataError(f"The answer of {server} is larger than {LARGEST_ANSWER / 1e9:.0f} GB. {ADVICE}")


def _explained(error: Exception, server: str) -> Exception:
    """What a request without an answer means: something to try again, or a sentence."""
    if isinstance(error, urllib.error.HTTPError):
        asked = error.headers.get("Retry-After", "") if error.headers else ""
        error.close()
        said = f"answered {error.code} ({words(error)})"
        if error.code in PASSING:
            return _Later(said, BUSY_S, min(float(asked), LONGEST_WAIT_S) if re.fullmatch(r"\d{1,9}", asked, re.ASCII) else 0.0)
        if error.code in REDIRECTS and error.url != server:
            return DataError(f"The server {server} sends on to {error.url}, and a query is asked at one place alone. Give that address "
                             "as “Server”, if you trust it.")
        return DataError(f"The server {server} {said}, as one does that is no Overpass server or does not let you in. Check its address, which often "
                         "ends in /api/interpreter.")
    if sentence := untrusted(error, server, "or give the address of another “Server”"):
        return DataError(sentence)
    return _Later(f"could not be reached ({words(error)})", ABSENT_S)


def _checked(server: str, path: Path, progress: Progress) -> str:
    """The time of the data in an answer that is whole."""
    head, rest, begin, remarks = "", b"", 0, dict[bytes, None]()
    with open(path, "rb") as stream:
        while piece := stream.read(PIECE):
            progress.at(0.9, "Checking the answer")
            head = head or piece[:HEAD].decode("utf-8", "replace")
            kept = rest[-HEAD:]
            rest = kept + piece
            for found in re.finditer(b"<remark", rest):  # nothing else is written so: in tags “<” is escaped
                stream.seek(begin - len(kept) + found.start())
                remarks[stream.read(HEAD).partition(b">")[2].partition(b"<")[0]] = None
                stream.seek(begin + len(piece))
            begin += len(piece)
    if not head.strip():
        raise _Later("answered nothing", BUSY_S)
    if "<osm" not in head:
        plain = " ".join(html.unescape(re.sub("<[^>]*>", " ", head)).split())
        if "\ufffd" in plain:
            plain = "bytes that are no text"
        if any(word in plain for word in _BUSY):
            raise _Later("is too busy", BUSY_S)
        raise DataError(f"The answer of {server} is no OpenStreetMap data: “{plain[:200]}”. Check the address of the server, which often ends in "
                        "/api/interpreter.")
    if not rest.rstrip().endswith(b"</osm>"):
        raise _Later("broke off", BUSY_S)
    for remark in remarks:
        said = " ".join(html.unescape(remark.decode("utf-8", "replace")).split())
        if any(word in said for word in _BUSY):
            raise _Later("is too busy", BUSY_S)
        if "remark" not in said.partition(":")[0]:  # “runtime remark:” is a hint, “runtime error:” means that ways are missing
            raise DataError(f"The Overpass server {server} gave up: “{said[:300]}”, so that ways are missing. {ADVICE}")
        progress.message(f"The Overpass server says: {said[:300]}", level="warning")
    base = _BASE.search(head)
    if not base:
        raise DataError(f"The answer of {server} does not say of which time its data is, as Overpass servers do. Check the address of the server.")
    return base[1]
