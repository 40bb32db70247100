"""Models in training whose media, console logs and alerts the page shows."""

import base64
import json
import struct
import uuid
from typing import Any

from support.media import metadata, put_medium
from support.raw import Raw
from support.web.http import Http
from support.web.page_data import ask
from support.web.page_files import png, tone
from xpstore import Client

# What Plotly 6 writes: lists of numbers are packed.
FIGURE = {
    "data": [
        {
            "type": "scatter",
            "name": "precision",
            "mode": "lines",
            "x": [0, 0.25, 0.5, 1],
            "y": {"dtype": "f8", "bdata": base64.b64encode(struct.pack("<4d", 1, 0.9, 0.7, 0.2)).decode()},
        },
        {"type": "scatter", "name": "chance", "x": [0, 1], "y": [0.5, 0.5], "line": {"color": "#b3261e"}},
        {"type": "heatmap", "z": [[1, 2]]},
    ],
    "layout": {"title": {"text": "Precision by <b>recall</b>"}, "xaxis": {"title": {"text": "recall"}}},
}
BARS = {
    "data": [
        {"type": "bar", "name": "seen", "x": ["cats", "dogs", "<i>owls</i>"], "y": [3, 5, 2]},
        {"type": "bar", "name": "found", "x": ["cats", "dogs", "<i>owls</i>"], "y": [2, 4, None]},
    ]
}
TABLE = {"columns": ["word", "id"], "rows": [["<b>bold</b>", 12345678901234567890], ["two", None]]}
HISTOGRAM = {"edges": [0, 1, 2, 4], "counts": [3, 9, 1], "not_finite": 2}
CAPTION = 'a caption, <script>alert(1)</script> & "more"'


class Training:
    """A model that runs."""

    def __init__(self, client: Client, http: Http, experiment: str, name: str) -> None:
        self.id, self.run, self._writer = (str(uuid.uuid4()) for _ in range(3))
        self._http, self._client, self._next = http, client, 0
        named = {"modelId": self.id, "hash": uuid.uuid4().hex, "name": name}
        self.project_uid = ask(http, "ModelService/CreateModel", experimentId=experiment, **named)["model"][
            "projectUid"
        ]
        ask(http, "RunService/CreateRun", modelId=self.id, runId=self.run)
        self._printed = 0

    def show(self, name: str, kind: str, step: int, path: str, data: bytes, caption: str = "") -> None:
        """Saves a medium as the contract says."""
        raw, told = Raw(self._client, self.project_uid), metadata(kind, path, caption=caption)
        put_medium(raw, self.id, f"media/{self.id}/{name}", step, data, path, metadata_json=told)

    def show_all(self, step: int) -> None:
        """One of each kind; the pictures have other sizes and colours at each step."""
        self.show("samples/first", "image", step, "picture.png", png(20 + step, 30), CAPTION)
        self.show("curve", "figure", step, "figure.json", json.dumps(FIGURE).encode())
        self.show("found", "figure", step, "figure.json", json.dumps(BARS).encode())
        self.show("words", "table", step, "table.json", json.dumps(TABLE).encode())
        self.show("weights", "histogram", step, "histogram.json", json.dumps(HISTOGRAM).encode())
        self.show("said", "text", step, "text.txt", f"<b>step</b> {step}\nsecond line".encode())
        self.show("voice", "audio", step, "sound.wav", tone())

    def _ingest(self, **event: Any) -> None:
        records = {"modelId": self.id, "events": [{"record": 0, **event}]}
        at = {"projectUid": self.project_uid, "writerId": self._writer, "firstRecord": self._next, "recordCount": 1}
        ask(self._http, "IngestService/Ingest", models=[records], **at)
        self._next += 1

    def print(self, text: str, gap: int = 0) -> None:
        """Prints a text after so many bytes that were left out."""
        offset = self._printed + gap
        self._ingest(console={"runId": self.run, "offset": offset, "text": text})
        self._printed = offset + len(text.encode())

    def alert(self, title: str, level: str = "WARNING", **more: Any) -> None:
        """Says that somebody should look."""
        self._ingest(alert={"alertId": str(uuid.uuid4()), "title": title, "level": f"ALERT_LEVEL_{level}", **more})

    def end(self, status: str = "FINISHED", error: str = "") -> None:
        """Ends the run."""
        ask(self._http, "RunService/FinishRun", runId=self.run, status=f"RUN_STATUS_{status}", error=error)
