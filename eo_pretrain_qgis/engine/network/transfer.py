"""A request to a server: in a thread of its own, since waiting for bytes must not keep the user from stopping.

Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) or of the system.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlsplit

from ...progress import Progress

BLOCK = 1 << 18  # bytes
TICK_S = 0.25  # between two looks at whether the user asked to stop
#: Answers after which the same request may succeed (RFC 9110 §15.5.9, RFC 6585, RFC 8470).
PASSING = (408, 425, 429, 500, 502, 503, 504)
#: Answers that name another place (RFC 9110 §15.4).
REDIRECTS = (301, 302, 303, 307, 308)


class Transfer:
    """A request and its answer.

    Args:
        address: see `is_address`.
        silence_s: seconds without a byte after which it has failed.
        headers: more of them.
        form: what is sent, as a form, with POST; None asks with GET.
    """

    def __init__(self, address: str, silence_s: float, headers: dict[str, str] | None = None, form: bytes | None = None) -> None:
        told = {"User-Agent": "eo-pretrain", "Accept-Encoding": "identity", **(headers or {})}
        self.request = urllib.request.Request(address, data=form, headers=told)  # noqa: S310 - the scheme was checked
        self.silence_s = silence_s
        self.items: queue.Queue[Any] = queue.Queue(maxsize=32)
        self.stopped = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Transfer]:
        """Asks; at the end nobody listens any more."""
        threading.Thread(target=self._work, daemon=True).start()
        try:
            yield self
        finally:
            self.stopped.set()

    def next(self, progress: Progress, fraction: float, text: str) -> Any:
        """The headers first, then blocks of bytes, then None; an exception where the transfer failed."""
        waited = time.monotonic()
        while True:
            progress.at(fraction, text)
            try:
                return self.items.get(timeout=TICK_S)
            except queue.Empty:
                if time.monotonic() - waited > self.silence_s + 5:  # a name server that hangs knows no timeout
                    return TimeoutError(f"nothing came for {self.silence_s:g} s")

    def _work(self) -> None:
        try:
            opener = urllib.request.build_opener(NeverLessSafe)
            with opener.open(self.request, timeout=self.silence_s) as response:
                self._put(response)
                while block := response.read1(BLOCK):
                    self._put(block)
            self._put(None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self.stopped.is_set():
            try:
                self.items.put(item, timeout=TICK_S)
                return
            except queue.Full:
                continue


class NeverLessSafe(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, nor to anything but these, nor with a form, which would be lost on the way."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_address(newurl):
            raise urllib.error.HTTPError(newurl, 403, "redirect to what is no download refused", headers, fp)
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.HTTPError(newurl, 403, "unencrypted redirect refused", headers, fp)
        if req.data is not None:  # urllib would ask the new place with GET
            raise urllib.error.HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_address(address: str) -> bool:
    """Whether a text is an address that begins with http:// or https:// and names a server."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0 and address.isprintable() and " " not in address
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False


def untrusted(error: Exception, address: str, otherwise: str) -> str:
    """The sentences for a transfer that failed because nobody here trusts the server's certificate; empty where it failed otherwise.

    Args:
        error: what `Transfer.next` gave.
        address: that was asked.
        otherwise: what else can be done.
    """
    reason = getattr(error, "reason", error)
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return ""
    return (f"The certificate of {urlsplit(address).netloc} is not trusted here ({reason.verify_message}). Set SSL_CERT_FILE to the certificates "
            f"of your network, {otherwise}.")


def wait(seconds: float, progress: Progress, text: str = "Waiting to try again") -> None:
    """Waits; cancelling ends it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        progress.at(0, text)
        time.sleep(min(TICK_S, seconds))


def words(error: Exception) -> str:
    """What a failed transfer says, in one line."""
    return (str(getattr(error, "reason", None) or error) or type(error).__name__).splitlines()[0]
