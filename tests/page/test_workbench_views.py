"""What the workbench shows beside its list: scatter, groups, parallel coordinates, views, and where its keys lead."""

import json
import uuid
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from support.web.http import Http
from support.web.page_data import LARGE, LARGE_MODELS, ask, make_experiment
from support.web.server import WebServer
from support.web.visits import visit

ODD = 'a "b" c'
PATH = 'config."a ""b"" c"'
OPTIMIZERS = ["adam", "it's", "sgd"]
MODELS = 12
ROWS = "[role=row][aria-selected]"


@pytest.fixture(scope="module")
def sweep(server: WebServer) -> str:
    """The path of a project with a sweep: texts with quotes, an odd path, and a model without any value."""
    http = Http(server.http_port, server.api_key)
    project = f"sweep {uuid.uuid4().hex[:6]}"
    experiment = make_experiment(http, project)
    for number in range(MODELS):
        model = str(uuid.uuid4())
        optimizer = OPTIMIZERS[number % 3]
        config = {ODD: number, "optimizer": optimizer, "lr": 10.0 ** -(number % 4), "deep": {"x": number % 2 == 0}}
        named = {"modelId": model, "hash": f"h{number}", "name": f"m{number}", "configJson": json.dumps(config)}
        ask(http, "ModelService/CreateModel", experimentId=experiment, **named)
        points = [{"name": "loss", "floatValue": 1.2 + number / 10 - step / 20, "step": step} for step in range(5)]
        ask(http, "MetricService/LogMetrics", modelId=model, writerId=str(uuid.uuid4()), firstPoint=0, points=points)
    bare = {"modelId": str(uuid.uuid4()), "hash": "bare", "name": "bare"}
    ask(http, "ModelService/CreateModel", experimentId=experiment, **bare)
    return f"/p/{quote(project)}"


def total(page: Page) -> Locator:
    return page.get_by_role("status").first


def query(page: Page, name: str) -> str:
    return parse_qs(urlparse(page.url).query).get(name, [""])[0]


def open_view(page: Page, path: str) -> None:
    page.goto(path)
    expect(total(page)).to_contain_text("model")


def choose(page: Page, button: str, text: str) -> None:
    page.locator(".panel .choice").get_by_text(button, exact=True).first.click()
    take(page, "Choose", text)


def take(page: Page, dialog: str, text: str) -> None:
    """The first choice that has the words of a text, once there is one."""
    page.get_by_role("combobox", name=dialog).fill(text)
    page.get_by_role("listbox").get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_scatter_shows_what_the_filter_finds_and_says_what_has_no_place(page: Page, sweep: str) -> None:
    open_view(page, f"{sweep}?v=scatter")
    cloud = page.get_by_role("application")
    expect(cloud).to_have_attribute("data-points", str(MODELS))
    expect(page.get_by_text("1 without a value in both")).to_be_visible()
    choose(page, "x", "a b c")
    choose(page, "colour", "optimizer")
    assert (query(page, "sx"), query(page, "k")) == (PATH, "config.optimizer")
    expect(page.get_by_role("group", name="Colours of optimizer")).to_contain_text("it's")
    # By the keyboard: from the left to the right, selected and opened.
    page.get_by_role("button", name="Deselect").click()
    cloud.focus()
    press(page, "ArrowRight", "ArrowRight")
    tip = cloud.get_by_role("status")
    expect(tip).to_contain_text("m1")
    press(page, " ")
    expect(tip).to_contain_text("(selected)")
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_have_count(1)
    page.get_by_text("As a table").click()
    row = page.get_by_role("region", name="What is drawn").get_by_role("row", name="m1", exact=False).last
    expect(row).to_contain_text("it's")
    cloud.focus()
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("m1")


def test_point_that_is_clicked_is_selected(page: Page, sweep: str) -> None:
    open_view(page, f"{sweep}?v=scatter&s=-&sx={quote(PATH)}&sy={quote('metrics.loss.min')}&sl=-")
    canvas = page.get_by_role("application").locator("canvas").last
    expect(page.get_by_role("application")).to_have_attribute("data-points", str(MODELS))
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 64, box["y"] + box["height"] - 40)  # the least of both
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_have_count(1)
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_contain_text("m0")


def test_thousands_of_points_are_drawn_and_more_are_told(page: Page) -> None:
    open_view(page, f"/p/{quote(LARGE)}?v=scatter")
    expect(page.get_by_role("application")).to_have_attribute("data-points", "5000")
    expect(page.get_by_text(f"of {LARGE_MODELS:,}: narrow the filter")).to_be_visible()


def test_groups_tell_their_numbers_and_open_to_their_models(page: Page, sweep: str) -> None:
    open_view(page, sweep)
    press(page, "g")
    take(page, "Group by", "optimizer")
    assert query(page, "g") == "config.optimizer"
    groups = page.get_by_role("region", name="Models by optimizer")
    row = groups.get_by_role("row", name="it's")
    # Models 1, 4, 7 and 10: their smallest losses are 1.1, 1.4, 1.7 and 2.
    expect(row.get_by_role("cell").nth(1)).to_have_text("4")
    expect(row).to_contain_text("1.55 ±0.34")
    expect(row).to_contain_text("1.1 to 2")
    chart = page.get_by_role("region", name="Chart of loss")
    expect(chart).to_have_attribute("data-lines", "3")  # of the bare model none
    expect(page.get_by_role("group", name="Lines of the charts")).to_contain_text("it's: 4 models")
    row.get_by_role("button").click()
    expect(groups.get_by_role("link")).to_have_text(["m10", "m7", "m4", "m1"])
    groups.get_by_role("button", name="List these alone").click()
    expect(total(page)).to_have_text("4 models")
    assert (query(page, "q"), query(page, "g")) == ("config.optimizer = 'it''s'", "")


def test_group_with_more_models_than_lines_says_so(page: Page) -> None:
    open_view(page, f"/p/{quote(LARGE)}?g=status")
    expect(page.get_by_role("group", name="Lines of the charts")).to_contain_text(f"100 of {LARGE_MODELS:,} models")


@pytest.fixture
def parallel(page: Page, sweep: str) -> Iterator[Page]:
    axes = [PATH, "config.optimizer", "config.deep.x", "metrics.loss.min"]
    open_view(page, f"{sweep}?v=parallel&pa={quote(','.join(axes))}")
    expect(page.get_by_role("application")).to_have_attribute("data-lines", str(MODELS + 1))
    yield page


def drag(page: Page, axis: str, start: float, end: float) -> None:
    """Over an axis, from one share of its height to another, from below."""
    head = page.locator(".heads").get_by_role("button", name=axis).bounding_box()
    canvas = page.locator(".parallel canvas").last.bounding_box()
    assert head is not None and canvas is not None
    x = head["x"] + head["width"] / 2
    bottom, height = canvas["y"] + canvas["height"] - 40, canvas["height"] - 56
    page.mouse.move(x, bottom - start * height)
    page.mouse.down()
    page.mouse.move(x, bottom - end * height, steps=3)
    page.mouse.up()


def test_brush_becomes_a_filter_that_the_server_takes(parallel: Page) -> None:
    page = parallel
    drag(page, "c", 0.48, 1.0)  # 6 to 11
    expect(total(page)).to_have_text("6 models")
    low = float(query(page, "q").removeprefix(f"{PATH} >= "))
    assert 5 < low <= 6
    drag(page, "optimizer", 0.4, 0.6)  # the one in the middle
    expect(total(page)).to_have_text("2 models")
    assert query(page, "q").endswith(" and config.optimizer in ('it''s')")
    expect(page.get_by_role("application")).to_have_attribute("data-lines", "2")
    # Once more over the same axis: the other bound, and the brush of the other axis stays.
    drag(page, "c", 0.0, 0.48)
    expect(total(page)).to_have_text("2 models")
    assert " <= " in query(page, "q") and ">=" not in query(page, "q")
    drag(page, "x", 0.6, 1.0)
    expect(total(page)).to_have_text("1 model")
    assert "config.deep.x in (true)" in query(page, "q")
    page.get_by_role("button", name="Whole axes").click()
    expect(total(page)).to_have_text(f"{MODELS + 1} models")
    assert query(page, "q") == ""


def test_brush_keeps_a_filter_that_was_there_and_keys_write_ranges(page: Page, sweep: str) -> None:
    written = f"config.lr = 1 or ({PATH} < 3)"
    open_view(page, f"{sweep}?v=parallel&pa={quote(PATH)}&q={quote(written)}")
    expect(total(page)).to_have_text("5 models")  # 0, 4, 8, 1, 2
    page.get_by_role("button", name="Edit axes").click()
    page.get_by_role("textbox", name="from").fill("2")
    page.get_by_role("textbox", name="to", exact=True).fill("4.5")
    press(page, "Enter")
    expect(total(page)).to_have_text("2 models")
    assert query(page, "q") == f"({written}) and {PATH} >= 2 and {PATH} <= 4.5"
    page.get_by_role("textbox", name="to", exact=True).fill("four")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Write numbers")


def test_cell_filters_sorts_and_groups(page: Page, sweep: str) -> None:
    columns = ["config.optimizer", "config.lr", PATH]
    open_view(page, f"{sweep}?c={quote(','.join(columns))}&o={quote(PATH)}")
    page.locator(ROWS).first.wait_for()
    press(page, "j", "j", "ArrowRight", "ArrowRight", "ArrowRight")  # m1: name, status, optimizer
    expect(page.get_by_role("group", name="The chosen cell")).to_contain_text("optimizer = it's")
    press(page, "f")
    expect(total(page)).to_have_text("4 models")
    assert query(page, "q") == "config.optimizer = 'it''s'"
    page.locator(ROWS).nth(1).get_by_role("gridcell").nth(5).click()
    expect(page.get_by_role("group", name="The chosen cell")).to_contain_text("= 4")
    press(page, "f")
    expect(total(page)).to_have_text("1 model")
    page.go_back()
    expect(total(page)).to_have_text("4 models")
    page.locator(ROWS).first.get_by_role("gridcell").nth(4).click()
    press(page, "s")
    assert query(page, "o") == "config.lr"
    page.locator(ROWS).first.get_by_role("gridcell").nth(4).click()
    press(page, "g")
    expect(page.get_by_role("region", name="Models by lr")).to_be_visible()


def test_hidden_line_is_drawn_no_more(page: Page, sweep: str) -> None:
    open_view(page, f"{sweep}?o=name+desc")
    chart = page.get_by_role("region", name="Chart of loss")
    expect(chart).to_have_attribute("data-lines", "10")
    press(page, "j", "j", "x")
    expect(chart).to_have_attribute("data-lines", "9")
    page.get_by_role("button", name="Show hidden").click()
    expect(chart).to_have_attribute("data-lines", "10")


def test_values_at_a_point_are_kept_as_a_table(page: Page, sweep: str) -> None:
    open_view(page, f"{sweep}?q={quote(f'{PATH} >= 10')}")
    plot = page.get_by_role("region", name="Chart of loss").locator(".u-over")
    plot.hover(position={"x": 2, "y": 40})
    press(page, "p")
    pin = page.get_by_role("region", name="loss at step 0")
    expect(pin.get_by_role("row")).to_have_text(["m112.3", "m102.2"])
    pin.get_by_role("button", name="Take away").click()
    expect(pin).to_have_count(0)


def test_view_is_kept_under_a_name_and_its_link_opens_it(page: Page, signed_in: BrowserContext, sweep: str) -> None:
    signed_in.grant_permissions(["clipboard-read", "clipboard-write"])
    open_view(page, f"{sweep}?v=scatter&q={quote('config.lr < 1')}&s=-")
    press(page, "v")
    views = page.get_by_role("dialog")
    views.get_by_label("What is shown now, as").fill("few & small")
    press(page, "Enter")
    views.get_by_role("button", name="Copy the link of few & small").click()
    expect(page.get_by_text("is copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    press(page, "y")
    expect(page.get_by_text("The link to this view is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    open_view(page, sweep)
    expect(total(page)).to_have_text(f"{MODELS + 1} models")
    press(page, "v")
    views.get_by_role("button", name="few & small", exact=True).click()
    expect(total(page)).to_have_text("9 models")
    assert page.url == link and "s=" not in urlparse(link).query
    expect(page.get_by_role("tab", name="Scatter", selected=True)).to_be_visible()
    press(page, "v")
    views.get_by_role("button", name="Delete few & small").click()
    expect(views.get_by_text("No view was saved yet.")).to_be_visible()


def test_anything_is_gone_to(page: Page, sweep: str) -> None:
    open_view(page, sweep)
    press(page, "Control+k")
    box = page.get_by_role("combobox", name="Go to")
    box.fill("M11")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options.first).to_contain_text("m11")
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("m11")
    press(page, "Control+k")
    box.fill(LARGE)
    expect(options).to_have_count(1)
    press(page, "Enter")
    expect(total(page)).to_have_text(f"{LARGE_MODELS:,} models")


def test_back_leads_to_where_one_was(page: Page) -> None:
    """A model is opened far down, its neighbours are looked at, and the list is as it was left."""
    open_view(page, f"/p/{quote(LARGE)}?o=created_at")
    page.locator("[role=grid]").evaluate("list => { list.scrollTop = 3000 * 30 }")
    row = page.locator("[role=row][aria-rowindex='3010']")
    row.locator(".name a").click()
    heading = page.get_by_role("heading", level=1)
    heading.wait_for()
    opened = heading.inner_text()
    next_one = page.get_by_role("button", name="Next")
    next_one.wait_for()
    press(page, "]")
    expect(heading).not_to_have_text(opened)
    next_one.wait_for()
    press(page, "[")
    expect(heading).to_have_text(opened)
    page.go_back()
    expect(row.locator(".name a")).to_be_in_viewport()
    expect(page.get_by_role("grid")).to_be_focused()
    assert page.locator("[role=grid]").evaluate("list => list.scrollTop") == 3000 * 30
    expect(page.locator(".row.cursor")).to_have_attribute("aria-rowindex", "3010")
    page.keyboard.press("j")
    expect(page.locator(".row.cursor")).to_have_attribute("aria-rowindex", "3011")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440)])
def test_every_view_is_for_everybody(
    chromium: Browser, signed_in: BrowserContext, origin: str, sweep: str, scheme: str, width: int
) -> None:
    """Nothing that axe finds, nothing that the policy refused, and nothing wider than a telephone."""
    with visit(chromium, signed_in, origin, scheme, width, 800) as page:

        def check(what: str) -> None:
            found = Axe().run(page)
            assert found.violations_count == 0, f"{what}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") == width, what

        for view in ["v=scatter&k=config.optimizer", "g=config.optimizer", "v=parallel"]:
            open_view(page, f"{sweep}?{view}")
            expect(page.locator(".legend")).to_be_visible()
            check(view)
        for key, dialog in (("v", "Views of"), ("Control+k", "Go to")):
            page.keyboard.press(key)
            page.get_by_role("dialog", name=dialog).wait_for()
            check(dialog)
            page.keyboard.press("Escape")
