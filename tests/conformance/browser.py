"""A page in Chromium that calls the server by the TypeScript client, from another origin than the server's.

    python -m conformance.browser

The page is client/typescript/tests/browser/page.ts. What it found is in its DOM, and is compared with what was stored.
The same page of an origin that the server does not name learns nothing.
"""

import difflib
import gzip
import hashlib
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conformance.known import Tool, lacking
from support.backends import Backend, sqlite_url
from support.needs import PROGRAMS
from support.web.http import Http, envelope, envelopes
from support.web.server import WebServer

CLIENT = Path(__file__).parents[2] / "client" / "typescript"
# The image holds back the event "load", on which Chromium writes the DOM, until the page says that it is done.
PAGE = b"""<!doctype html><meta charset="utf-8"><title>xpstore</title><link rel="icon" href="data:,">
<pre></pre><img src="/until-done"><script type="module" src="/page.js"></script>"""
SECONDS = 120
# Nothing but this machine: names are not looked up, and everything else goes to a proxy that is not there.
ALONE = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--proxy-server=127.0.0.1:9",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"]
PROJECT, NAME = "page", "Ünï <b>&"
POINTS, BATCH = 20_000, 5_000
NOTES = [f"{i} " * 10_000 for i in range(100, 180)]
FILE = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(100_000))  # more than one message


class Pages(ThreadingHTTPServer):
    """Serves the page: http://127.0.0.1:PORT and http://localhost:PORT are two origins."""

    daemon_threads = True

    def __init__(self, script: bytes) -> None:
        self.script = script
        self.done = threading.Event()
        super().__init__(("127.0.0.1", 0), Answers)

    def __enter__(self) -> "Pages":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.shutdown()
        self.server_close()


class Answers(BaseHTTPRequestHandler):
    """One connection."""

    server: Pages

    def do_GET(self) -> None:
        if self.path == "/until-done":
            self.server.done.wait(SECONDS)
            self._answer(204, "image/png", b"")
        elif self.path == "/page.js":
            self._answer(200, "text/javascript", self.server.script)
        else:
            self._answer(200, "text/html; charset=utf-8", PAGE)

    def do_POST(self) -> None:
        self._answer(204, "text/plain", b"")
        self.server.done.set()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def bundle(folder: Path) -> bytes:
    """The page with the client, checked and bundled as its user would."""
    subprocess.run([CLIENT / "build", "--lazy"], stdout=sys.stderr, check=True)
    programs, page = CLIENT / "node_modules" / ".bin", CLIENT / "tests" / "browser"
    subprocess.run([programs / "tsc", "-p", page], stdout=sys.stderr, check=True)
    words = ["--bundle", "--minify", "--platform=browser", "--format=esm", "--log-level=warning"]
    subprocess.run([programs / "esbuild", page / "page.ts", *words, f"--outfile={folder / 'page.js'}"], check=True)
    return (folder / "page.js").read_bytes()


def open_page(pages: Pages, origin: str, task: dict[str, Any], folder: Path) -> Any:
    """What the page of an origin found, by a Chromium with a profile of its own."""
    pages.done.clear()
    folder.mkdir()
    log = folder / "chromium.log"
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    url = f"{origin}/#{quote(json.dumps(task))}"
    with log.open("wb") as errors:
        dom = subprocess.run(
            ["chromium", *FLAGS, *ALONE, f"--user-data-dir={folder / 'profile'}", "--dump-dom", url],
            env={**inherited, "HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=SECONDS,
        ).stdout.decode()
    found = re.search("<pre>(.+)</pre>", dom)
    if found is None:
        raise AssertionError(f"the page found nothing:\n{dom}\n{log.read_text(errors='replace')[-5_000:]}")
    return json.loads(html.unescape(found[1]))


def fill(http: Http) -> str:
    """Stores what the page looks at; returns the version of the contract."""

    def call(method: str, **request: Any) -> Any:
        answer = http.call(method, request)
        assert answer.status == 200, answer.body
        return answer.json

    made = call("ProjectService/CreateProject", projectId=PROJECT, name=NAME, creationId=str(uuid.uuid4()))
    experiment = str(uuid.uuid4())
    uid = made["project"]["uid"]
    call("ExperimentService/CreateExperiment", projectUid=uid, experimentId=experiment, name="first")
    for depth in (2, 3):
        model, writer = str(uuid.uuid4()), str(uuid.uuid4())
        own = {"hash": f"h{depth}", "configJson": json.dumps({"depth": depth}), "tags": [f"depth {depth}"]}
        call("ModelService/CreateModel", experimentId=experiment, modelId=model, **own)
        points = [{"name": "loss", "floatValue": i / 4, "step": i, "phase": "train"} for i in range(POINTS)]
        for at in range(0, POINTS, BATCH):
            some = points[at : at + BATCH]
            call("MetricService/LogMetrics", modelId=model, writerId=writer, firstPoint=at, points=some)
    saved = http.ask("PUT", f"/files/{PROJECT}/weights/weights.bin", FILE)
    assert saved.status == 201, saved.body
    # Text, which one message does not hold: the stream of the last model has several.
    texts = [{"name": "note", "jsonValue": json.dumps(text)} for text in NOTES]
    for at, text in enumerate(texts):
        call("MetricService/LogMetrics", modelId=model, writerId=writer, firstPoint=POINTS + at, points=[text])
    wanted = envelope(0, json.dumps({"keys": [{"modelId": model, "name": "note"}]}).encode())
    kind = {"Content-Type": "application/connect+json"}
    streamed = envelopes(http.ask("POST", "/xpstore.v1.MetricService/ReadSeries", wanted, kind).body)
    assert len(streamed) > 3, "the end is one of them"
    version: str = call("LimitsService/GetLimits")["limits"]["contractVersion"]
    return version


def seen(origin: str, contract: str) -> dict[str, Any]:
    """What a page finds whose origin the server names."""

    def error(reason: str, **metadata: str) -> dict[str, Any]:
        return {"reason": reason, "metadata": metadata, "hasRequestId": True}

    series = {
        "name": "loss",
        "phase": "train",
        "type": "Float64Array",
        "count": POINTS,
        "first": 0,
        "last": (POINTS - 1) / 4,
        "sum": sum(range(POINTS)) / 4,
        "areStepsInOrder": True,
        "cursor": f"{POINTS}n",
    }
    filter_error = error("INVALID_ARGUMENT", field="filter", value="config.depth >", column="15")
    found = {
        "contract": contract,
        "projects": [[PROJECT, NAME]],
        "models": [["h3", {"depth": 3}, ["depth 3"]]],
        "series": [series],
        "notes": [[len(NOTES), hashlib.sha256("".join(NOTES).encode()).hexdigest()]],
        "file": {"size": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()},
        "notFound": error("NOT_FOUND", resource="project", value="nobody"),
        "badFilter": filter_error,
        "wrongKey": error("UNAUTHENTICATED"),
        "stopped": "Error: enough",
    }
    proto, stream, failure = "200 application/proto", "200 application/connect+proto", "application/json"
    asked = {
        "LimitsService/GetLimits": [proto, f"401 {failure}"],
        "ProjectService/GetProject": [proto, f"404 {failure}"],
        "ProjectService/ListProjects": [proto],
        "ModelService/SearchModels": [proto, f"400 {failure}"],
        "MetricService/ReadSeries": [stream, stream],
        "ArtifactService/GetArtifactVersion": [proto, proto],
        "ArtifactService/ReadFile": [stream, stream],
    }
    return {"origin": origin, "found": found, "asked": {f"/xpstore.v1.{name}": told for name, told in asked.items()}}


def seen_by_others(origin: str, url: str) -> dict[str, Any]:
    """What a page of another origin finds: the browser tells it nothing, and the client what may be the cause."""
    why = f"If it is there, name the origin of this page, {origin}, in its XPSTORE_HTTP_ORIGINS."
    failed = {"reason": "UNAVAILABLE", "metadata": {}, "hasRequestId": True}
    message = f"{url} does not answer: Failed to fetch. {why}"
    return {
        "origin": origin,
        "found": {"failed": failed, "message": message},
        "asked": {"/xpstore.v1.LimitsService/GetLimits": ["none"]},
    }


def is_same(what: str, found: Any, expected: Any) -> bool:
    """Whether a page found what it should; says so."""
    print(f"{'ok' if found == expected else 'FAILED'}  {what}", flush=True)
    if found != expected:
        right, wrong = (json.dumps(side, indent=1, sort_keys=True).splitlines() for side in (expected, found))
        print("\n".join(difflib.unified_diff(right, wrong, "expected", "found", lineterm="")), file=sys.stderr)
    return bool(found == expected)


def run(folder: Path) -> bool:
    """Opens the page from both origins."""
    script = bundle(folder)
    print(f"the page with the client: {len(script)} bytes, {len(gzip.compress(script))} compressed")
    database, blobs = sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri()
    backend = Backend(name="sqlite-disk", database_url=database, blob_url=blobs)
    with Pages(script) as pages:
        named, other = (f"http://{host}:{pages.server_address[1]}" for host in ("127.0.0.1", "localhost"))
        with WebServer(backend, folder, XPSTORE_HTTP_ORIGINS=named) as server:
            contract = fill(Http(server.http_port, server.api_key))
            url = f"http://127.0.0.1:{server.http_port}"
            task = {"url": url, "apiKey": server.api_key, "projectId": PROJECT, "timeoutMs": 60_000}
            found = open_page(pages, named, task, folder / "named")
            good = is_same("a page calls, streams and is told errors", found, seen(named, contract))
            found = open_page(pages, other, {**task, "timeoutMs": 1_000}, folder / "other")
            return is_same("a page of another origin is refused", found, seen_by_others(other, url)) and good


def main() -> int:
    told = lacking("typescript")
    if missing := Tool("chromium").lacking():
        package, purpose = PROGRAMS["chromium"]
        told = "; ".join(filter(None, (told, f"{missing} ({purpose}): apt-get install {package}")))
    if told:
        print(f"not run: the page in a browser: {told}")
        return 1 if os.environ.get("CI") else 0
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        return 0 if run(Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
