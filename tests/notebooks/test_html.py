"""What a notebook shows of objects: static, escaped, and in a short time whatever happens."""

import math
import os
import signal
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from support.services import Server
from xpstore._notebook import glance
from xpstore.artifact import DirectoryArtifact
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client

# Nothing of these: what it would do, or where it would lead.
ACTIVE = {"script", "style", "link", "iframe", "object", "embed", "img", "image", "use", "a", "foreignobject", "form"}
NASTY = "<script>alert(1)</script>\" onload='x' & \x1b[31m\u202e"


class Page(HTMLParser):
    """HTML as a browser reads it: each element is closed, none does anything, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.points: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open
        assert html.isprintable() or all(part.isprintable() for part in html.split("\n"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag not in ACTIVE
        for name, value in attributes:
            assert not name.startswith("on") and "url(" not in (value or "")
            assert "//" not in (value or "") or value == "http://www.w3.org/2000/svg"
            if name == "points":
                self.points.append(value or "")
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1] != tag:  # of SVG, closed in itself
            assert self.open.pop() in ("polyline", "polygon", "circle")
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_data(self, text: str) -> None:
        self.text += text
        if any(tag in ("td", "th") for tag in self.open) and "svg" not in self.open:
            self.rows[-1][-1] += text

    @property
    def facts(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows if len(row) == 2}


def page(shown: Any) -> Page:
    html = shown._repr_html_()
    assert len(html) < 40_000
    return Page(html)


@pytest.fixture
def calls(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of requests that were made."""
    made: list[str] = []
    for name in ("call", "stream"):
        method: Callable[..., Any] = getattr(client, name)

        def counted(stub: Any, request: Any, method: Callable[..., Any] = method, **options: Any) -> Any:
            made.append(request.DESCRIPTOR.name)
            return method(stub, request, **options)

        monkeypatch.setattr(client, name, counted)
    return made


def test_model_is_shown_with_a_line_for_each_metric(experiment: Experiment, calls: list[str]) -> None:
    model = experiment.model("h", config={"lr": 0.25, "net": {"width": 8}}, tags=["t"])
    for step in range(300):
        model.metrics.log("loss", 1 / (step + 1), step, "train")
    model.metrics.log("loss", 7)
    model.metrics.log("note", {"any": "JSON"})
    model.metrics.log("odd", math.nan)
    DirectoryArtifact.save(b"data", "weights", model=model)
    calls.clear()
    shown = page(model)
    assert calls == ["GetModelRequest", "ListSeriesRequest", "ReadSeriesRequest", "ListArtifactVersionsRequest"]
    assert shown.text.strip().startswith(f"Model {model.display_name}")
    assert (shown.facts["hash"], shown.facts["config.lr"], shown.facts["config.net.width"]) == ("h", "0.25", "8")
    by_name = {row[0]: row[1:] for row in shown.rows if len(row) == 6}
    assert by_name["loss[train]"] == ["300", "0.003333", "0.003333", "1", ""]
    assert by_name["loss"] == ["1", "7", "7", "7", ""]
    assert by_name["note"][0] == "1" and by_name["odd"] == ["1", "nan", "", "", ""]
    band, line = shown.points
    assert shown.tags.count("svg") == 2 and len(line.split()) == 160 and len(band.split()) == 320
    assert ["weights", "1", "directory", "4 bytes"] in shown.rows


def test_search_is_shown_as_a_table_of_what_differs(experiment: Experiment, calls: list[str]) -> None:
    for number in range(25):
        model = experiment.model(f"h{number:02}", config={"lr": number, "same": 1})
        model.metrics.log("loss", number / 4, 1, "test")
    found = experiment.models.search("config.lr >= 2", order_by="metrics.loss.min desc")
    first = next(found)
    calls.clear()
    shown = page(found)
    assert calls == ["ListFieldsRequest", "ListFieldsRequest", "SearchModelsRequest"]
    assert "23 models, the first 20" in shown.text
    head, top, *others = shown.rows
    assert head == ["model", "status", "step", *("metrics.loss.min", "config.lr", "metrics.loss[test].last"), "created"]
    assert top[:6] == [first.display_name, "", "0", "6", "24", "6"] and len(others) == 19
    assert len(list(found)) == 22  # it goes on behind the one that was taken
    assert "2 models" in page(experiment.models.search(limit=2)).text
    assert "25 models, the first 20" in page(experiment).text and page(experiment.models).rows[0][0] == "model"
    assert "column 10" in page(experiment.models.search("config.lr")).text
    assert "must not be negative" in page(experiment.models.search(limit=-1)).text
    assert page(experiment.models.search("step = 5")).text.split()[-2:] == ["0", "models"]


def test_others_are_shown_with_few_calls(project: Project, model: Model, calls: list[str]) -> None:
    with model.run() as run:
        model.metrics.log_arrays("loss", range(5_000), [math.nan, *range(1, 5_000)])
    artifact = DirectoryArtifact.save(b"data", "a")
    whole, buckets = model.metrics.read("loss"), model.metrics.read("loss", buckets=7)
    assert run.status == "finished"
    calls.clear()
    assert page(run).facts["status"] == "finished" and calls == []
    assert page(whole).facts["largest"] == "4999" and page(buckets).facts["points"] == "5000" and calls == []
    assert page(whole).tags.count("polyline") == 1
    assert page(artifact).facts["version"] == "1" and calls == ["ListArtifactFilesRequest"]
    calls.clear()
    shown = page(project)
    assert calls == ["GetProjectStatisticsRequest", "ListExperimentsRequest"]
    assert shown.facts["models"] == "1 in 1 experiments, 0 running" and shown.rows[-1][:2] == ["e", "1"]
    assert "not opened yet" in page(Project("never")).text
    calls.clear()
    for one in (project, model, run, whole, buckets, artifact, model.metrics, project.models.search()):
        assert "\n" not in repr(one)
    assert calls == []


def test_whatever_others_wrote_is_escaped(project: Project) -> None:
    name, text = NASTY.replace("\x1b", ""), NASTY
    experiment = project.experiment(name)
    model = experiment.model(name, name, text, config={text: text, "x": 1}, tags=[name])
    experiment.model("other", config={text: "other", "x": 2})
    model.metrics.log(name, 1.0, 1)
    artifact = DirectoryArtifact.save(b"data", name, model=model, metadata={text: text}, description=text)
    found = experiment.models.search("hash like '<script>%'")
    for one in (project, experiment, model, artifact, model.metrics.read(name), found):
        assert "<script>" in page(one).text and "<script>" not in one._repr_html_()
    assert "\\u202e" in page(model).text


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_server_that_is_away_is_said_in_a_line(
    how: str, client: Client, project: Project, model: Model, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "GLANCE_SECONDS", 0.3)
    artifact = DirectoryArtifact.save(b"data", "a")
    with model.run() as run:
        pass
    assert run.status == "finished"
    found = project.models.search("step = 0")
    model.metrics.log("loss", 1.0, 1)  # waits for the server too
    if how == "killed":
        server.kill()
    else:
        os.kill(server.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        for one in (project, project.models, model, artifact, found):
            shown = page(one)
            assert "Unavailable: The server" in shown.text or "DeadlineExceeded: The server" in shown.text
            assert one is not model or shown.facts["hash"] == "h"  # what is known
        assert page(run).facts["status"] == "finished"
        assert time.monotonic() - start < client.timeout_seconds
    finally:
        if how == "killed":
            server.restart()
        else:
            os.kill(server.pid, signal.SIGCONT)
    assert model.step == 0  # it is there again
    monkeypatch.undo()
    assert "The server" not in page(model).text


def test_client_that_is_offline_shows_what_it_knows() -> None:
    offline = Client(offline=True)
    try:
        model = offline.project("p").experiment("e").model("h", config={"lr": 1})
        shown = page(model)
        assert shown.facts["hash"] == "h" and "Unavailable" in shown.text
        assert "Unavailable" in page(offline.project("p").open()).text
    finally:
        offline.close()
