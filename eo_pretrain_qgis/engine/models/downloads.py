"""Files from the network: one function, which continues what broke off and believes nothing without its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ...outputs import disk_full, explained, move
from ...process_identity import try_lock
from ...progress import SILENT, Progress
from ..network.transfer import BLOCK, PASSING, TICK_S, Transfer, is_address, untrusted, wait, words

LARGEST_FILE = 10**12  # bytes; weights are thousands of times smaller
BY_HAND = "or download the file by hand and give its path"


class _BrokeOff(Exception):  # noqa: N818 - never leaves this file
    """The transfer ended early; it may be continued."""


def download(address: str, path: str | Path, *, sha256: str, attempts: int = 4, silence_s: float = 30.0, progress: Progress = SILENT) -> str:
    """Fetches a file unless it is there already, and returns its SHA-256.

    The bytes are written to a part beside `path` with the checksum in its name, so that it is nobody else's. A later attempt or a later
    call continues it (HTTP Range, RFC 9110 §14), and it takes the place of `path` only when its checksum is right. Who asks for a file
    that another process is fetching waits for it. Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) or of
    the system.

    Args:
        address: http or https; an encrypted address is never left for an unencrypted one.
        path: the file to write.
        sha256: of the file, 64 hexadecimal digits.
        attempts: how often to try before giving up.
        silence_s: seconds without a byte after which an attempt has failed.
        progress: told how far it is; cancelling keeps what was fetched.

    Raises:
        ModelError: there is no checksum, the server refuses, the file is another one, or the connection broke off each time.
        DataError: the disk is full or the folder may not be written.
        Cancelled: the user asked to stop.
    """
    if not is_address(address):
        raise ModelError(f"{address} is no address of a download. Give one that begins with https://, {BY_HAND}.")
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        known = f" (“{sha256}” is not 64 hexadecimal digits)" if sha256 else ""
        raise ModelError(f"No checksum is known for {address}{known}, so it is not downloaded. Download it by hand if you trust it, and give "
                         "the path of the file.")
    target = Path(path)
    part = target.with_name(f"{target.name}.{sha256[:16].lower()}.part")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        return _fetched(address, target, part, sha256.lower(), attempts, silence_s, progress)


def _fetched(address: str, target: Path, part: Path, sha256: str, attempts: int, silence_s: float, progress: Progress) -> str:
    if target.exists():
        return _checked_again(target, sha256, address, progress)
    with _alone(part, progress):
        if target.exists():  # another process had it while we waited
            return _checked_again(target, sha256, address, progress)
        whole = file_sha256(part, progress) if part.exists() else ""  # killed before it was renamed
        digest = whole if whole == sha256 else _try_often(address, part, sha256, attempts, silence_s, progress)
        move(part, target)
    return digest


def checksum_digits(written: str) -> str:
    """A SHA-256 as a catalogue may write it, whole or in groups with blanks or colons between, as digits alone; other texts as they are."""
    return re.sub(r"[\s:]+", "", written).lower()


@contextlib.contextmanager
def _alone(part: Path, progress: Progress) -> Iterator[None]:
    """Waits until no other process fetches the same part; a lock of the system is gone with the process that held it."""
    name = part.with_suffix(".lock")
    while True:
        stream = open(name, "ab")  # noqa: SIM115 - held as long as the lock
        # Whoever was first removes the file at its end: a lock on a file that is no longer there keeps nobody out.
        if try_lock(stream.fileno()) and name.exists() and os.path.samestat(os.fstat(stream.fileno()), os.stat(name)):
            break
        stream.close()
        progress.at(0, f"Waiting for another download of {_shown(part)}")
        time.sleep(TICK_S)
    try:
        yield
    finally:
        if sys.platform == "win32":  # no open file is removed there; another one that waits keeps it
            stream.close()
        with contextlib.suppress(OSError):
            name.unlink()
        stream.close()


def _shown(part: Path) -> str:
    """The name of the file of which this is a part."""
    return part.name.rsplit(".", 2)[0]


def file_sha256(path: str | Path, progress: Progress = SILENT) -> str:
    """SHA-256 of a file as hexadecimal digits."""
    return _digest_so_far(Path(path), progress).hexdigest()


def _checked_again(target: Path, sha256: str, address: str, progress: Progress) -> str:
    digest = file_sha256(target, progress)
    if digest != sha256:
        raise ModelError(f"{target} is not the file from {address}: {_difference(digest, sha256)}. Delete it, so that it is downloaded "
                         "again.")
    return digest


def _try_often(address: str, part: Path, sha256: str, attempts: int, silence_s: float, progress: Progress) -> str:
    """Fetches into `part` until the file is whole and right."""
    reason = ""
    for attempt in range(attempts):
        if attempt:
            progress.message(f"The download of {_shown(part)} {reason}; it is tried again ({attempt + 1} of {attempts}).", level="warning")
            wait(min(0.2 * 4 ** attempt, 15.0), progress)
        continued = part.exists() and part.stat().st_size > 0
        try:
            digest = _fetch(address, part, silence_s, progress)
        except _BrokeOff as error:
            reason = str(error)
            continue
        if digest == sha256:
            return digest
        part.unlink()
        if not continued:
            raise ModelError(f"The file from {address} is not the one that was meant: {_difference(digest, sha256)}. It was thrown away; "
                             "try another network (some answer with a page of their own), or tell the maintainers if the file changed.")
        reason = "had begun with another file"
    raise ModelError(f"The download of {address} failed {attempts} times; the last one {reason}. Check the network (HTTPS_PROXY names a "
                     f"proxy) and run again, which continues it, {BY_HAND}.")


def _fetch(address: str, part: Path, silence_s: float, progress: Progress) -> str:
    """One attempt; returns the SHA-256 of what `part` then holds."""
    have = part.stat().st_size if part.exists() else 0
    digest = _digest_so_far(part, progress) if have else hashlib.sha256()
    with Transfer(address, silence_s, {"Range": f"bytes={have}-"} if have else None).running() as transfer:
        head = transfer.next(progress, 0.0, f"Asking for {_shown(part)}")
        if isinstance(head, Exception):
            _explain(head, address, part)
        start, total = _extent(head, have, part)
        if start != have:
            digest, have = hashlib.sha256(), 0
        if total is not None and total > LARGEST_FILE:
            raise ModelError(f"The server says that the file from {address} holds {total / 1e9:.0f} GB, which no file of weights does. Check the "
                             f"address, {BY_HAND}.")
        if total is not None and total - have > shutil.disk_usage(part.parent).free:
            raise disk_full(part.with_name(_shown(part)))
        with open(part, "r+b" if have else "wb") as stream:
            stream.seek(have)
            while True:
                share, of = (have / total if total else 0.0), f"of {total / 1e6:.1f} MB" if total else "MB"
                block = transfer.next(progress, share, f"Downloading {_shown(part)}: {have / 1e6:.1f} {of}")
                if block is None:
                    break
                if isinstance(block, Exception):
                    raise _BrokeOff(f"broke off at {share:.0%} ({words(block)})")
                stream.write(block)
                digest.update(block)
                have += len(block)
    if total is not None and have < total:
        raise _BrokeOff(f"broke off at {have / total:.0%}")
    return digest.hexdigest()


def _extent(response: Any, asked: int, part: Path) -> tuple[int, int | None]:
    """First byte of the answer and size of the whole file, None where the server does not say."""
    length = response.headers.get("Content-Length")
    if response.status != 206:  # the whole file, from a server without Range or because nothing was there to continue
        return 0, int(length) if re.fullmatch(r"\d{1,18}", length or "", re.ASCII) else None
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != asked:
        part.unlink(missing_ok=True)
        raise _BrokeOff("was continued at another place by the server")
    return asked, int(found[2]) if found[2] != "*" else None


def _explain(error: Exception, address: str, part: Path) -> None:
    """Raises what a refused request means: something to try again, or a sentence."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code == 416:  # `part` is as long as the file or longer, yet its checksum was not right
            part.unlink(missing_ok=True)
            raise _BrokeOff("had begun with another file") from None
        if error.code not in PASSING:
            raise ModelError(f"The server answers {error.code} ({words(error)}) for {address}. Check the address and the network, "
                             f"{BY_HAND}.") from None
    if sentence := untrusted(error, address, BY_HAND):
        raise ModelError(sentence) from None
    raise _BrokeOff(f"got no answer ({words(error)})")


def _digest_so_far(path: Path, progress: Progress) -> Any:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK * 16):
            progress.at(0, f"Checking {path.stem}")
            digest.update(block)
    return digest


def _difference(found: str, wanted: str) -> str:
    return f"its SHA-256 is {found}, and should be {wanted}"
