"""The page in a real browser: it shows the figures of results.json and asks for nothing but itself."""

import html
import json
import re
import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sample

from harness.render import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1200,1600",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


class Site:
    """One page on the loopback interface, and every path that was asked of it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.body = b""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                self.send_response(200 if self.path == "/index.html" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(site.body if self.path == "/index.html" else b"")

            def log_message(self, *args: object) -> None:
                """Requests are recorded, not printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/index.html"


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def browse(site: Site, profile: Path, *options: str) -> str:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *options, site.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def shown_text(dom: str) -> str:
    body = dom[dom.index("<body") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body.replace("<wbr>", ""))).split())


def figures_of(document: dict) -> set[str]:
    """Every ratio and count of a run document, formatted without the code under test."""
    shown = set()
    for cell in document["cells"]:
        for finding in cell["findings"]:
            if finding["gate"] != "bounded":
                shown.add(f"{finding['effect']['ratio']:.3f}")
            if finding["unit"] == "count":
                shown |= {f"{finding['baseline']:,}", f"{finding['optimized']:,}"}
    return shown


def pixels(image: bytes) -> tuple[int, int, bytes]:
    """Width, height and the raw rows of a PNG."""
    width, height = struct.unpack(">II", image[16:24])
    data, position = b"", 8
    while position < len(image):
        (size,) = struct.unpack(">I", image[position : position + 4])
        if image[position + 4 : position + 8] == b"IDAT":
            data += image[position + 8 : position + 8 + size]
        position += size + 12
    return width, height, zlib.decompress(data)


def test_the_browser_shows_the_figures_and_makes_one_request(site: Site, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps(sample.realistic()))
    document = json.loads(results.read_text())
    site.body = page([document]).encode()
    text = shown_text(browse(site, tmp_path / "profile", "--dump-dom"))
    figures = figures_of(document)
    assert len(figures) >= 15
    assert {figure for figure in figures if figure not in text} == set()
    assert document["run"]["id"] in text
    assert site.requests == ["/index.html"]


def test_hostile_text_is_shown_and_never_run(site: Site, tmp_path: Path) -> None:
    hostile = "</title></style><script>document.title='ran'</script><img src=/leak onerror=alert(1)>"
    site.body = page([sample.hostile(hostile)]).encode()
    dom = browse(site, tmp_path / "profile", "--dump-dom")
    assert "<script" not in dom
    assert "<img" not in dom
    assert "<title>ran" not in dom
    assert hostile in shown_text(dom)
    assert site.requests == ["/index.html"]


@pytest.mark.parametrize("scheme", ["0", "1"], ids=["dark", "light"])
def test_the_page_is_drawn_in_the_readers_colours(site: Site, tmp_path: Path, scheme: str) -> None:
    site.body = page([sample.realistic()]).encode()
    picture = tmp_path / "page.png"
    browse(
        site,
        tmp_path / "profile",
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    width, height, rows = pixels(picture.read_bytes())
    assert (width, height) == (1200, 1600)
    # The top left pixel is stored unfiltered whatever the row's filter: nothing is left of or above it.
    assert rows[1] < 64 if scheme == "0" else rows[1] > 192
    counted = sorted((rows.count(value) for value in range(256)), reverse=True)
    assert counted[0] < 0.99 * len(rows)
    assert sum(count > 0 for count in counted) > 64
    assert site.requests == ["/index.html"]
