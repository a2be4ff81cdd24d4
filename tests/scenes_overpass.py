"""An Overpass server on this machine, which answers in the form of real ones with the ways of `scenes_roads`, or fails as they do."""

import gzip
import http.server
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections import Counter

from . import scenes_roads

BASE = "2026-03-01T12:00:00Z"
HEAD = ('<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="Overpass API 0.7.62.1 084b4234">\n<note>The data included in this '
        'document is from www.openstreetmap.org. The data is made available under ODbL.</note>\n<meta osm_base="{base}"/>\n\n')
TIMEOUT = '<remark> runtime error: Query timed out in "query" at line 1 after 182 seconds. </remark>\n'
BUSY_PAGE = ('<html><body><p><strong style="color:#FF0000">Error</strong>: runtime error: open64: 0 Success /osm3s_osm_base '
             "Dispatcher_Client::request_read_and_idx::timeout. The server is probably too busy to handle your request. </p></body></html>")


def answer(folder, ways=True, remark="", base=BASE):
    """The ways of `scenes_roads` as an Overpass server writes them."""
    path = scenes_roads.write_osm(folder / "answer.osm")
    elements = "".join(ElementTree.tostring(element, encoding="unicode") + "\n" for element in ElementTree.parse(path).getroot())
    path.unlink()
    return (HEAD.format(base=base) + (elements if ways else "") + "\n" + remark + "</osm>\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /good well, and every other path as its name says."""

    def do_POST(self):
        server = self.server
        query = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["data"][0]
        server.queries.append(query)
        name = self.path.strip("/")
        server.asked[name] += 1
        first = server.asked[name] == 1
        if (name in ("busy", "hurried") and first) or name == "always_busy":
            return self._send(429 if name != "hurried" else 504, BUSY_PAGE.encode(), {"Retry-After": "7"} if name == "busy" else {})
        if name == "page_busy" and first:
            return self._send(200, BUSY_PAGE.encode())
        if name in ("forbidden", "missing"):
            return self._send({"forbidden": 403, "missing": 404}[name], b"no")
        if name.startswith("moved"):
            return self._send(int(name[-3:]), b"", {"Location": "https://b.example/x"})
        if name == "slow":
            time.sleep(30)
        whole = server.answers.get(name, server.answers["good"])
        if name == "cut" and first:
            return self._send(200, whole[:len(whole) * 9 // 10])
        return self._send(200, whole)

    def do_GET(self):
        self._send(400, b"a query is sent by POST here")

    def _send(self, code, content, headers=None):
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


def serve(folder):
    """A running server; `address` is where it is, `queries` what it was asked."""
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads, serving.asked, serving.queries = True, Counter(), []
    serving.answers = {"good": answer(folder), "empty": answer(folder, ways=False), "timeout": answer(folder, remark=TIMEOUT),
                       "hint": answer(folder, remark="<remark>runtime remark: a hint</remark>\n"),
                       "late": answer(folder, remark="<remark>runtime remark: a hint</remark>\n<!--" + "x" * 9000 + "-->" + TIMEOUT),
                       "damaged": answer(folder).replace(b"<way ", b"<way <", 1), "packed": gzip.compress(answer(folder)), "nothing": b"",
                       "timeless": answer(folder).replace(b"<meta", b"<other"), "page": b"<html><body>Please log&nbsp;in.</body></html>"}
    serving.address = f"http://127.0.0.1:{serving.server_address[1]}"
    threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return serving


def overpass_server(folder):
    """The address of a server that answers well, until the tests end."""
    return serve(folder).address + "/good"


def overpass_out_of_time(folder):
    """The address of a server whose queries run out of time."""
    return serve(folder).address + "/timeout"


def overpass_of_the_sea(folder):
    """The address of a server that knows no road."""
    return serve(folder).address + "/empty"


def overpass_page(folder):
    """The address of a network that asks to log in."""
    return serve(folder).address + "/page"
