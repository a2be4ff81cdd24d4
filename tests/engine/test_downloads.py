"""Downloads from a server on this machine that fails in the ways servers do."""

import contextlib
import errno
import hashlib
import http.server
import socket
import subprocess
import sys
import threading
import time
import types
from collections import Counter

import numpy as np
import pytest

from eo_pretrain_qgis.engine.models import downloads
from eo_pretrain_qgis.engine.models.downloads import download
from eo_pretrain_qgis.engine.network import transfer
from eo_pretrain_qgis.errors import Cancelled, DataError, ModelError

from ..listening import Cancelling, Listening, promised

CONTENT = np.random.default_rng(1).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PART = f"a.pth.{SHA256[:16]}.part"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /whole well, and every other path badly in the way its name says."""

    def do_GET(self):
        self.server.asked[self.path] += 1
        self.server.ranges.append(self.headers.get("Range"))
        name = self.path.rpartition("/")[2]  # a proxy is asked for the whole address
        first = self.server.asked[self.path] == 1
        if name in ("missing", "forbidden", "busy"):
            return self.send_error({"missing": 404, "forbidden": 403, "busy": 503}[name])
        if name in ("ftp", "half"):
            return self._redirect({"ftp": "ftp://127.0.0.1:9/a.pth", "half": "http://[::1"}[name])
        if name in ("abc", "huge"):
            self.send_response(200)
            self.send_header("Content-Length", {"abc": "abc", "huge": str(10**15)}[name])
            self.end_headers()
            return self.wfile.write(CONTENT)
        if name == "moved":
            return self._redirect("/whole")
        if name == "circle":
            return self._redirect("/circle")
        if name == "silent":
            time.sleep(6)
            return None
        if name == "page":
            return self._send(b"<html>Please log in to this network.</html>", 0)
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if begin >= len(CONTENT):
            return self.send_error(416)
        if name == "norange":
            return self._send(CONTENT, 0, end=len(CONTENT) * 9 // 10 if first else None)
        if name == "unasked" and first:
            return self._send(CONTENT, 7)
        if name == "elsewhere" and begin:
            return self._send(CONTENT, begin, said=begin - 7)
        cut = name == "always_cut" or (name in ("cut", "elsewhere") and first)
        return self._send(CONTENT, begin, end=len(CONTENT) * 9 // 10 if cut else None, hangs=name == "hangs" and first)

    def _redirect(self, place):
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def _send(self, content, begin, end=None, said=None, hangs=False):
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin if said is None else said}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if hangs:
            self.wfile.write(content[begin:1_000_000])
            self.wfile.flush()
            time.sleep(1.5)
        else:
            self.wfile.write(content[begin:end])

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "wait", lambda seconds, progress: None)
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads, serving.asked, serving.ranges = True, Counter(), []
    serving.address = f"http://127.0.0.1:{serving.server_address[1]}"
    threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield serving
    serving.shutdown()


def test_a_file_is_fetched_once_and_whole(server, folder):
    progress = Listening()
    assert download(server.address + "/whole", folder / "models" / "a.pth", sha256=SHA256, progress=progress) == SHA256
    assert (folder / "models" / "a.pth").read_bytes() == CONTENT
    assert [path.name for path in (folder / "models").iterdir()] == ["a.pth"]
    assert any(line["text"].endswith("of 3.0 MB") for line in progress.lines)
    download(server.address + "/whole", folder / "models" / "a.pth", sha256=SHA256.upper())
    assert server.asked["/whole"] == 1


def test_a_redirect_is_followed(server, folder):
    assert download(server.address + "/moved", folder / "a.pth", sha256=SHA256) == SHA256


def test_a_circle_of_redirects_ends(server, folder):
    with pytest.raises(ModelError, match=r"The server answers 302 .*Check the address and the network, or download the file by hand"):
        download(server.address + "/circle", folder / "a.pth", sha256=SHA256)


@pytest.mark.parametrize("fault", ["cut", "norange", "elsewhere", "hangs"])
def test_a_broken_transfer_goes_on(server, folder, fault):
    progress = Listening()
    patience_s = 0.5 if fault == "hangs" else 60  # on a busy machine an answer may well take half a second
    assert download(f"{server.address}/{fault}", folder / "a.pth", sha256=SHA256, silence_s=patience_s, progress=progress) == SHA256
    assert (folder / "a.pth").read_bytes() == CONTENT
    assert any("broke off at" in text and "it is tried again (2 of 4)" in text for text in progress.texts)
    assert server.asked["/" + fault] == (3 if fault == "elsewhere" else 2)
    assert server.ranges[1].startswith("bytes=")


def test_a_part_nobody_asked_for_is_not_taken(server, folder):
    assert download(server.address + "/unasked", folder / "a.pth", sha256=SHA256) == SHA256
    assert (folder / "a.pth").read_bytes() == CONTENT


def test_only_the_rest_is_fetched_again(server, folder):
    download(server.address + "/cut", folder / "a.pth", sha256=SHA256)
    assert server.ranges == [None, "bytes=2700000-"]


def test_a_download_cut_at_90_percent_is_no_file_and_is_continued_by_the_next_call(server, folder):
    with pytest.raises(ModelError, match=r"failed 1 times; the last one broke off at 90%\. Check the network \(HTTPS_PROXY names a proxy\) "
                                         "and run again, which continues it, or download the file by hand and give its path"):
        download(server.address + "/always_cut", folder / "a.pth", sha256=SHA256, attempts=1)
    assert [path.name for path in folder.iterdir()] == [PART]
    assert download(server.address + "/whole", folder / "a.pth", sha256=SHA256) == SHA256
    assert server.ranges[-1] == "bytes=2700000-"


def test_what_was_whole_but_not_renamed_needs_no_network(server, folder):
    (folder / PART).write_bytes(CONTENT)
    assert download(server.address + "/missing", folder / "a.pth", sha256=SHA256) == SHA256
    assert server.asked == {}


@pytest.mark.parametrize("begun", [b"x" * 1000, b"x" * 4_000_000])
def test_a_part_of_another_file_is_thrown_away(server, folder, begun):
    (folder / PART).write_bytes(begun)
    assert download(server.address + "/whole", folder / "a.pth", sha256=SHA256) == SHA256


def test_a_checksum_that_differs_is_refused(server, folder):
    wanted = SHA256[:-1] + ("0" if SHA256[-1] != "0" else "1")
    with pytest.raises(ModelError, match=rf"is not the one that was meant: its SHA-256 is {SHA256}, and should be {wanted}\. It was thrown away"):
        download(server.address + "/whole", folder / "a.pth", sha256=wanted)
    assert list(folder.iterdir()) == []


def test_the_page_of_a_hotel_is_refused(server, folder):
    with pytest.raises(ModelError, match="is not the one that was meant: .* .some answer with a page of their own"):
        download(server.address + "/page", folder / "a.pth", sha256=SHA256)


def test_another_file_in_the_place_is_not_taken(server, folder):
    (folder / "a.pth").write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"a.pth is not the file from .* Delete it, so that it is downloaded again\."):
        download(server.address + "/whole", folder / "a.pth", sha256=SHA256)
    assert (folder / "a.pth").read_bytes() == b"mine"


@pytest.mark.parametrize(("fault", "sentence"), [
    ("missing", "The server answers 404 (Not Found) for "), ("forbidden", "The server answers 403 (Forbidden) for "),
    ("busy", "failed 2 times; the last one got no answer (Service Unavailable)"),
    ("silent", "failed 2 times; the last one got no answer (timed out)"),
])
def test_what_servers_refuse(server, folder, fault, sentence):
    with pytest.raises(ModelError) as caught:
        download(f"{server.address}/{fault}", folder / "a.pth", sha256=SHA256, attempts=2, silence_s=0.3 if fault == "silent" else 60)
    assert sentence in str(caught.value)
    assert server.asked["/" + fault] == (2 if fault in ("busy", "silent") else 1)
    assert list(folder.iterdir()) == []


def test_without_a_checksum_nothing_is_asked_for(server, folder):
    with pytest.raises(ModelError, match="No checksum is known for .*, so it is not downloaded"):
        download(server.address + "/whole", folder / "a.pth", sha256="")
    assert server.asked == {}


@pytest.mark.parametrize("checksum", [SHA256[:8], "no digits", SHA256 + "0"])
def test_what_is_no_checksum_is_said(server, folder, checksum):
    with pytest.raises(ModelError, match=f"No checksum is known for .* .“{checksum}” is not 64 hexadecimal digits., so it is not"):
        download(server.address + "/whole", folder / "a.pth", sha256=checksum)
    assert server.asked == {}


@pytest.mark.parametrize("address", ["http://[::1", "http://", "https:///a.pth", "http://a.invalid:port/a", "http://a.invalid/a b", "http://a.invalid/\n"])
def test_what_is_no_address(folder, address):
    with pytest.raises(ModelError, match="is no address of a download. Give one that begins with https://"):
        download(address, folder / "a.pth", sha256=SHA256)


@pytest.mark.parametrize("fault", ["ftp", "half"])
def test_a_redirect_to_anything_but_the_web_is_refused(server, folder, fault):
    with pytest.raises(ModelError, match=r"The server answers 403 .redirect to what is no download refused. for |the last one got no answer"):
        download(f"{server.address}/{fault}", folder / "a.pth", sha256=SHA256, attempts=1)
    assert list(folder.iterdir()) == []


def test_a_length_that_is_no_number_is_not_believed(server, folder):
    assert download(server.address + "/abc", folder / "a.pth", sha256=SHA256) == SHA256


def test_a_length_that_no_file_has_is_said(server, folder):
    with pytest.raises(ModelError, match=r"The server says that the file from .* holds 1000000 GB, which no file of weights does\. Check the"):
        download(server.address + "/huge", folder / "a.pth", sha256=SHA256)
    assert list(folder.iterdir()) == []


def test_files_of_the_user_beside_it_are_left_alone(server, folder):
    own = {"a.pth.part": b"mine", "a.part": b"mine too", "b.pth.part": b""}
    for name, content in own.items():
        (folder / name).write_bytes(content)
    for fault in ("page", "cut"):
        with contextlib.suppress(ModelError):
            download(f"{server.address}/{fault}", folder / "a.pth", sha256=SHA256)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "a.pth"} == own
    assert (folder / "a.pth").read_bytes() == CONTENT


def test_two_that_want_one_file_fetch_it_once(server, folder):
    command = "import sys; from eo_pretrain_qgis.engine.models.downloads import download; print(download(*sys.argv[1:3], sha256=sys.argv[3]))"
    started = [subprocess.Popen([sys.executable, "-c", command, server.address + "/hangs", str(folder / "a.pth"), SHA256], stdout=subprocess.PIPE,
                                text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == [SHA256, SHA256]
    assert [path.name for path in folder.iterdir()] == ["a.pth"]
    assert server.asked["/hangs"] == 2  # it broke off and went on, once


def test_what_a_dead_process_had_is_continued(server, folder):
    (folder / PART).write_bytes(CONTENT[:1_000_000])
    (folder / PART.replace(".part", ".lock")).write_bytes(b"")
    assert download(server.address + "/whole", folder / "a.pth", sha256=SHA256) == SHA256
    assert server.ranges == ["bytes=1000000-"]
    assert [path.name for path in folder.iterdir()] == ["a.pth"]


def test_only_the_web_is_asked(folder):
    with pytest.raises(ModelError, match="file:///etc/passwd is no address of a download"):
        download("file:///etc/passwd", folder / "a.pth", sha256=SHA256)


def test_nobody_there(folder, server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a"
    with pytest.raises(ModelError, match=r"failed 2 times; the last one got no answer \(.*refused"):
        download(address, folder / "a.pth", sha256=SHA256, attempts=2)


def test_the_proxy_of_the_environment_is_asked(server, folder, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert download("http://weights.invalid/whole", folder / "a.pth", sha256=SHA256) == SHA256
    assert server.asked == {"http://weights.invalid/whole": 1}


def test_stopping_keeps_what_was_fetched(server, folder):
    with pytest.raises(Cancelled):
        download(server.address + "/whole", folder / "a.pth", sha256=SHA256, progress=Cancelling(lambda heard: heard.fraction >= 0.3))
    assert 0 < (folder / PART).stat().st_size < len(CONTENT)
    assert not (folder / "a.pth").exists()


def test_a_server_that_says_nothing_can_be_stopped(server, folder):
    began = time.monotonic()
    with pytest.raises(Cancelled):
        download(server.address + "/silent", folder / "a.pth", sha256=SHA256, progress=Cancelling(lambda heard: heard.seconds > 0.5))
    assert time.monotonic() - began < promised(1)


def test_a_disk_that_is_too_small_is_said_before_it_is_filled(server, folder, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1_000_000))
    with pytest.raises(DataError, match=r"The disk is full while writing .*a\.pth\. Free some space and run again\."):
        download(server.address + "/whole", folder / "a.pth", sha256=SHA256)
    assert not (folder / "a.pth").exists()


def test_a_disk_that_fills_up_meanwhile(server, folder, monkeypatch):
    class Full:
        def update(self, block):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads.hashlib, "sha256", Full)
    with pytest.raises(DataError, match="The disk is full while writing"):
        download(server.address + "/whole", folder / "a.pth", sha256=SHA256)
    assert not (folder / "a.pth").exists()


def test_an_encrypted_address_is_not_left():
    request = transfer.urllib.request.Request("https://weights.invalid/a")
    with pytest.raises(downloads.urllib.error.HTTPError, match="unencrypted redirect refused"):
        transfer.NeverLessSafe().redirect_request(request, None, 302, "Found", {}, "http://weights.invalid/a")
