"""What somebody does on the page: log in, find models, see how they went, open one."""

import uuid
from urllib.parse import parse_qs, quote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from support.web.http import Http
from support.web.page_data import (
    CONTENT,
    FILE,
    ITS_NAME,
    LARGE,
    LARGE_MODELS,
    MODELS,
    NAMED,
    SEED,
    SMALL,
    ask,
    make_experiment,
)
from support.web.server import WebServer
from support.web.visits import visit
from xpstore.v1 import metric_pb2

WORKBENCH = f"/p/{quote(SMALL)}"
LOSS = "metrics.loss[train].min"
VIEWS = [
    "/",
    WORKBENCH,
    f"{WORKBENCH}?v=compare",
    *(f"{WORKBENCH}/{room}" for room in ("artifacts", "cache", "storage", "trash")),
]
ROWS = "[role=row][aria-selected]"
# How many pixels of the first canvas have a colour: grids and texts are grey.
COLOURED = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += Math.abs(data[at] - data[at + 2]) > 60 && data[at + 3] > 200;
  return found;
}"""


def column(page: Page, field: str) -> Locator:
    """The cells of a field, from above."""
    return page.locator(f"{ROWS} [role=gridcell][title^='{field}']")


def query(page: Page, name: str) -> list[str]:
    return parse_qs(urlparse(page.url).query).get(name, [])


def open_list(page: Page, path: str = WORKBENCH) -> None:
    page.goto(path)
    page.locator(ROWS).first.wait_for()


def test_key_is_asked_once_and_sign_out_ends_it(chromium: Browser, server: WebServer, origin: str) -> None:
    context = chromium.new_context(base_url=origin)
    page = context.new_page()
    page.goto(WORKBENCH)
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    page.get_by_label("API key").fill(server.api_key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(f"{MODELS + 1} models")
    page.reload()
    expect(page.get_by_role("status").first).to_have_text(f"{MODELS + 1} models")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page.get_by_label("API key")).to_be_visible()
    context.close()


def test_projects_say_what_they_hold(page: Page) -> None:
    page.goto("/")
    row = page.get_by_role("row", name=SMALL)
    expect(row.get_by_role("cell").nth(0)).to_have_text(str(MODELS + 1))
    expect(row.get_by_role("cell").nth(1)).to_have_text("1")
    page.get_by_role("link", name=LARGE).click()
    expect(page.get_by_role("status").first).to_have_text("10,000 models")


def test_list_shows_what_differs_and_sorts_by_it(page: Page) -> None:
    open_list(page)
    heads = page.get_by_role("columnheader").all_inner_texts()
    assert [" ".join(head.split()) for head in heads[1:]] == [
        "model", "status", "accuracy max", "loss [train] min", "number", "optimizer",
    ]  # fmt: skip
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    expect(column(page, LOSS).first).to_have_text("★0.12")
    assert query(page, "o") == [LOSS]
    assert column(page, LOSS).all_inner_texts()[:3] == ["★0.12", "0.22", "0.32"]
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    expect(column(page, LOSS).first).to_have_text("1.22")
    assert query(page, "o") == [f"{LOSS} desc"]
    expect(page.get_by_role("columnheader", name="loss")).to_have_attribute("aria-sort", "descending")


def test_filter_is_applied_and_what_is_wrong_stands_at_its_column(page: Page) -> None:
    open_list(page)
    page.keyboard.press("/")
    page.keyboard.type("config.number < 3 and status = 'finished'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("3 models")
    assert query(page, "q") == ["config.number < 3 and status = 'finished'"]
    page.get_by_label("Filter of models").fill("config.number <")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("column 16: expected a number")
    assert alert.locator("pre").inner_text().splitlines()[1] == " " * 15 + "^"
    page.get_by_role("button", name="Clear").click()
    expect(alert).to_have_count(0)
    expect(page.get_by_role("status").first).to_have_text(f"{MODELS + 1} models")
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text("column 16")


def test_columns_are_chosen(page: Page) -> None:
    open_list(page)
    page.keyboard.press("c")
    page.get_by_label("Search columns").fill("loss last")
    page.get_by_label("loss [train] last").check()
    expect(page.get_by_role("columnheader", name="loss [train] last")).to_be_visible()
    assert query(page, "c")[0].split(",")[-1] == "metrics.loss[train].last"
    page.reload()
    expect(page.get_by_role("columnheader", name="loss [train] last")).to_be_visible()


def test_selected_models_are_the_lines_of_charts(page: Page) -> None:
    open_list(page)
    chart = page.get_by_role("region", name="Chart of loss [train]")
    expect(chart).to_have_attribute("data-lines", "9")  # the first ten, of which one never ran
    page.get_by_role("button", name="Deselect").click()
    expect(page.get_by_text("Select models in the list to draw them.")).to_be_visible()
    for key in ("j", "j", " ", "j", " "):  # the first never ran
        page.keyboard.press(key)
    expect(chart).to_have_attribute("data-lines", "2")
    assert len(query(page, "s")[0].split(",")) == 2 and page.locator(f"{ROWS}[aria-selected=true]").count() == 2
    assert chart.locator("canvas").evaluate(COLOURED) > 200
    page.get_by_role("tab", name="Compare").click()
    compared = page.locator(".compare tbody th")
    expect(compared.get_by_text("config.number")).to_be_visible()
    assert "config.data" not in compared.all_inner_texts()
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Config")).to_be_visible()
    assert urlparse(page.url).path.startswith("/m/")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tab", name="Compare", selected=True)).to_be_visible()  # as it was left


def test_zoom_is_that_of_all_charts_and_of_the_url(page: Page) -> None:
    open_list(page)
    charts = page.locator(".chart[data-lines]:not([data-lines=''])")
    expect(charts).to_have_count(2)
    box = charts.nth(0).locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 50, steps=4)
    with page.expect_request(lambda one: "ReadSeries" in one.url) as asked:
        page.mouse.up()
    start, end = map(int, query(page, "z")[0].split("_"))
    request = metric_pb2.ReadSeriesRequest.FromString((asked.value.post_data_buffer or b"")[5:])
    assert (request.axis_start, request.axis_end) == (start, end) and request.axis == metric_pb2.BUCKET_AXIS_STEP
    assert {key.name for key in request.keys} <= {"loss", "accuracy"} and len(request.keys) == 10
    assert 18 <= start <= 27 and 40 <= end <= 48
    page.get_by_role("button", name="Whole axis").click()
    assert query(page, "z") == []


def test_what_runs_is_followed(page: Page, server: WebServer) -> None:
    """A run that ends and a point that is logged are seen without a touch."""
    http, model, run = Http(server.http_port, server.api_key), str(uuid.uuid4()), str(uuid.uuid4())
    experiment = make_experiment(http, "followed")
    ask(http, "ModelService/CreateModel", experimentId=experiment, modelId=model, hash="h", name="the only one")
    ask(http, "RunService/CreateRun", modelId=model, runId=run)

    def log(number: int) -> None:
        point = {"name": "loss", "floatValue": 1 / (1 + number), "step": number}
        ask(http, "MetricService/LogMetrics", modelId=model, writerId=run, firstPoint=number, points=[point])

    log(0)
    open_list(page, "/p/followed")
    expect(page.locator(f"{ROWS} .status")).to_contain_text("running")
    expect(column(page, "metrics.loss")).to_have_text("★1")
    log(1)
    expect(column(page, "metrics.loss")).to_contain_text("0.5")
    ask(http, "RunService/FinishRun", runId=run, status="RUN_STATUS_FINISHED")
    expect(page.locator(f"{ROWS} .status")).to_have_text("finished")


def test_ten_thousand_models_are_loaded_where_one_looks(page: Page) -> None:
    searches: list[Request] = []
    page.on("request", lambda one: searches.append(one) if one.url.endswith("/SearchModels") else None)
    open_list(page, f"/p/{quote(LARGE)}?o=created_at")
    assert page.locator(f"{ROWS} .name a").first.inner_text().startswith("model ")
    page.keyboard.press("End")
    last = page.locator(f"[role=row][aria-rowindex='{LARGE_MODELS + 1}']")
    expect(last.locator(".name a")).to_be_visible()
    expect(last).to_be_in_viewport()
    assert page.locator("[role=row]").count() < 60 and len(searches) <= 6
    page.locator("[role=grid]").evaluate("list => { list.scrollTop = list.scrollHeight / 2 }")
    expect(page.locator(f"[role=row][aria-rowindex='{LARGE_MODELS // 2 + 3}'] .name a")).to_be_visible()


def test_one_model_says_how_it_went_and_where_its_files_are(page: Page) -> None:
    open_list(page, f"{WORKBENCH}?q={quote('status = ' + repr('failed'))}")
    page.locator(f"{ROWS} .name a").click()
    expect(page.get_by_label("Error of the newest run")).to_contain_text("MemoryError: out of memory")
    row = page.get_by_role("region", name="Metrics").get_by_role("row", name="loss [train]")
    expect(row.get_by_role("cell")).to_have_text(["1.12", "49", "1.12", "2.1", "50"])
    assert page.get_by_label("Command to repeat it", exact=True).inner_text().split()[-1]
    neighbours = page.get_by_role("region", name="Differences from its neighbours").get_by_role("row", name="number")
    expect(neighbours.get_by_role("cell")).to_have_text(["10", "8", "9", "11", "none"])
    page.keyboard.press("Escape")
    open_list(page, f"{WORKBENCH}?q={quote('status = ' + repr('running'))}")
    page.locator(f"{ROWS} .name a").click()
    expect(page.get_by_text("best", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {FILE}").click()
    assert download.value.path().read_text() == CONTENT
    page.get_by_role("link", name=FILE, exact=True).click()
    expect(page.get_by_label("Text of the file")).to_have_text(CONTENT)


def test_name_is_made_of_the_id_and_numbers_are_exact(page: Page) -> None:
    page.goto(f"/m/{NAMED}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{ITS_NAME} never ran")
    expect(page.get_by_role("row", name=f"seed {SEED}", exact=True)).to_be_visible()


def test_what_is_not_there_is_a_sentence(page: Page) -> None:
    page.goto("/p/nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")
    page.goto("/m/no-uuid")
    expect(page.get_by_role("alert")).to_contain_text("UUID")


@pytest.mark.parametrize("view", [WORKBENCH, f"{WORKBENCH}?v=compare", f"/m/{NAMED}"])
def test_nothing_is_wider_than_a_telephone(page: Page, view: str) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(view)
    page.get_by_role("heading", level=1).wait_for(state="attached")
    expect(page.locator("#page")).not_to_contain_text("Loading…")
    assert page.evaluate("document.documentElement.scrollWidth") == 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_for_everybody_and_asks_this_server_alone(
    chromium: Browser, signed_in: BrowserContext, origin: str, scheme: str
) -> None:
    """Nothing that axe finds, nothing that the policy refused, no other host; in both themes."""
    with visit(chromium, signed_in, origin, scheme, 1440) as page:
        asked: set[str] = set()
        page.on("request", lambda one: asked.add(f"{urlparse(one.url).scheme}://{urlparse(one.url).netloc}"))
        for view in [*VIEWS, f"/m/{NAMED}"]:
            page.goto(view)
            page.get_by_role("heading", level=1).wait_for(state="attached")
            expect(page.locator("#page")).not_to_contain_text("Loading…")
            found = Axe().run(page)
            assert found.violations_count == 0, f"{view}: {found.generate_report()}"
        assert asked - {"data://"} == {origin}
        back = "getComputedStyle(document.body).backgroundColor"
        colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
        assert page.evaluate(back) == colours.pop(scheme)
        page.get_by_role("button", name="colours").click()
        assert page.evaluate(back) == colours.popitem()[1]


def test_deleted_version_is_brought_back(page: Page, server: WebServer) -> None:
    http = Http(server.http_port, server.api_key)
    make_experiment(http, "files")
    assert http.ask("PUT", "/files/files/notes/notes.txt", b"first").status == 201
    assert http.ask("PUT", "/files/files/notes/notes.txt", b"second one").status == 201
    version = ask(http, "ArtifactService/GetArtifactVersion", artifactName={"projectId": "files", "name": "notes"})
    ask(http, "ArtifactService/DeleteArtifactVersion", versionId=version["version"]["id"])
    page.goto("/p/files/artifacts")
    versions = page.get_by_role("region", name="Versions of notes").locator("tbody tr")
    expect(versions).to_have_count(1)
    page.get_by_role("link", name="Trash").click()
    page.get_by_role("button", name="Bring back notes v2").click()
    expect(page.get_by_text("notes v2 is back.")).to_be_visible()
    expect(page.get_by_text("No deleted version can be brought back.")).to_be_visible()
    page.get_by_role("link", name="Artifacts").click()
    row = versions.filter(has_text="v2")
    expect(row).to_contain_text("10 B")
    row.get_by_role("link", name="v2").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.path().read_bytes() == b"second one"
