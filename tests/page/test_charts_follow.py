"""Charts of models that run: what is read again, and that it is what all of it were."""

import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from support.web.http import Http
from support.web.page_data import ask, make_experiment
from support.web.server import WebServer
from xpstore.v1 import metric_pb2

MODELS, STEPS = 4, 20
EVERY_MS = 60_000  # longer than a slow server is left alone


class Training:
    """Models of which the first runs and may log more."""

    def __init__(self, http: Http, project: str) -> None:
        self._http = http
        experiment = make_experiment(http, project)
        self.ids = [str(uuid.uuid4()) for _ in range(MODELS)]
        self._logged = dict.fromkeys(self.ids, 0)
        for number, model in enumerate(self.ids):
            whole = {"modelId": model, "hash": f"h{number}", "name": f"model {number}"}
            ask(http, "ModelService/CreateModel", experimentId=experiment, **whole)
            for step in range(STEPS):
                self.log(number, step, number + 1)
        ask(http, "RunService/CreateRun", modelId=self.ids[0], runId=str(uuid.uuid4()))

    def log(self, number: int, step: int, value: float) -> None:
        model = self.ids[number]
        point = {"name": "loss", "floatValue": value, "step": step}
        at = {"modelId": model, "writerId": model, "firstPoint": self._logged[model]}
        ask(self._http, "MetricService/LogMetrics", points=[point], **at)
        self._logged[model] += 1


def asked(request: Request) -> metric_pb2.ReadSeriesRequest | None:
    if "ReadSeries" not in request.url:
        return None
    return metric_pb2.ReadSeriesRequest.FromString((request.post_data_buffer or b"")[5:])


def reads(keys: int) -> Callable[[Request], bool]:
    return lambda request: (found := asked(request)) is not None and len(found.keys) == keys


def at_the_end(page: Page) -> str:
    """What the chart says of its last bucket, where the line of the first model is the lowest."""
    box = page.locator(".chart .u-over").bounding_box()
    if box is None:
        return ""  # drawn anew
    text = ""
    for up in (2, 6, 12, 20):
        page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] - up)
        text = page.locator(".chart output").inner_text()
        if text.startswith("model 0"):
            break
    return text


def test_only_what_changed_is_read_again(page: Page, server: WebServer) -> None:
    training = Training(Http(server.http_port, server.api_key), "lines")
    page.clock.install()
    page.goto(f"/p/lines?s={','.join(training.ids)}")
    chart = page.get_by_role("region", name="Chart of loss")
    expect(chart).to_have_attribute("data-lines", str(MODELS))
    for _ in range(2):  # all, until it is known that little changes, and how far each was
        with page.expect_request(reads(MODELS)):
            page.clock.fast_forward(EVERY_MS)
        page.wait_for_timeout(1_000)  # its answer
    training.log(0, STEPS, 0.25)
    with page.expect_request(reads(1)) as part:
        page.clock.fast_forward(EVERY_MS)
    request = asked(part.value)
    assert request is not None and request.keys[0].model_id == training.ids[0]
    assert metric_pb2.BUCKET_COLUMN_COUNT in request.columns and request.axis_start == 0
    expect(chart).to_have_attribute("data-lines", str(MODELS))
    page.clock.run_for(100)
    expect_text(page, f"model 0: 0.25 at step {STEPS}")


def test_axis_that_grows_is_read_as_a_whole(page: Page, server: WebServer) -> None:
    training = Training(Http(server.http_port, server.api_key), "axis")
    page.clock.install()
    page.goto(f"/p/axis?s={','.join(training.ids)}")
    expect(page.get_by_role("region", name="Chart of loss")).to_have_attribute("data-lines", str(MODELS))
    for _ in range(2):
        with page.expect_request(reads(MODELS)):
            page.clock.fast_forward(EVERY_MS)
        page.wait_for_timeout(1_000)  # its answer
    training.log(0, 100_000, 0.125)
    with page.expect_request(reads(1)), page.expect_request(reads(MODELS)):
        page.clock.fast_forward(EVERY_MS)
    page.clock.run_for(100)
    expect_text(page, "model 0: 0.125 at steps")


def expect_text(page: Page, text: str) -> None:
    for _ in range(100):
        found = at_the_end(page)
        if found.startswith(text):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{found!r} instead of {text!r}")
