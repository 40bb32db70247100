"""What somebody looks up in what was saved: where is a file, what is in it, what differs, what was it made from."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Request, expect

from support.web.http import Http
from support.web.page_data import ask
from support.web.page_files import (
    GONE,
    GONE_EXPERIMENT,
    MARKUP,
    NEW,
    ODD,
    OLD,
    ROOM,
    TAKEN,
    TAKEN_MODEL,
    THROWN,
)
from support.web.server import WebServer
from support.web.visits import visit

ROOT = f"/p/{quote(ROOM)}"
KINDS = f"{ROOT}/artifacts/kinds/1"
# As encodeURIComponent writes it.
ODD_PATH = f"{ROOT}/artifacts/" + quote(ODD, safe="'()")
CHANGES = f"{ODD_PATH}/2?v=changes&from=1&f=log.txt"
LINEAGE = f"{ROOT}/artifacts/result/1?v=lineage"


def shown(page: Page, path: str) -> Locator:
    """The part of the page that shows a file of `kinds`."""
    page.goto(f"{KINDS}?f={quote(path)}")
    return page.get_by_role("region", name="File", exact=True)


def alerts(page: Page) -> list[str]:
    """What scripts say from now on."""
    said: list[str] = []

    def note(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.context.on("dialog", note)
    return said


def texts(table: Locator) -> list[list[str]]:
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_version_says_what_it_is_and_how_to_get_it(page: Page, server: WebServer, tmp_path: Path) -> None:
    """The lines are run as they stand, with a name that is odd in every way."""
    page.goto(f"{ROOT}/artifacts")
    page.get_by_role("link", name=ODD).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{ODD} v2")
    expect(page.locator(".tag")).to_have_text("best")
    expect(page.get_by_role("region", name="Metadata")).to_contain_text("lr0.2")
    page.get_by_role("combobox", name="version").select_option(label="v1")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{ODD} v1")
    assert urlparse(page.url).path == f"{ODD_PATH}/1"
    page.reload()
    page.get_by_text("Get it").click()
    command, code = (
        page.get_by_label(label, exact=True).inner_text() for label in ("Command that gets it", "Python that gets it")
    )
    named = {"XPSTORE_API_URL": server.address, "XPSTORE_API_KEY": server.api_key}
    environment = {**os.environ, **named, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = shlex.split(command)
    assert words == ["xpstore", "get", ROOM, f"{ODD}@1"]
    for number, program in enumerate(([sys.executable, "-m", "xpstore.cli", *words[1:]], [sys.executable, "-c", code])):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [file.read_text() for file in folder.glob("**/log.txt")] == [OLD]


def test_alias_in_the_address_is_its_version(page: Page) -> None:
    page.goto(f"{ODD_PATH}/best")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{ODD} v2")
    page.goto(f"{ODD_PATH}/9")
    expect(page.get_by_role("alert")).to_contain_text("@9")


def test_three_thousand_files_are_loaded_as_somebody_asks(page: Page) -> None:
    listed: list[Request] = []
    page.on("request", lambda one: listed.append(one) if one.url.endswith("/ListArtifactFiles") else None)
    page.goto(f"{ROOT}/artifacts/many/1")
    files = page.get_by_role("region", name="Files", exact=True)
    expect(files).to_contain_text("The first 1,000 of 3,000.")
    assert len(listed) == 1 and files.locator("li").count() < 20
    files.get_by_text("9/ 100 and more files").click()
    expect(files.get_by_role("link", name="0999.txt", exact=True)).to_be_visible()
    files.get_by_role("button", name="Load 1,000 more").click()
    expect(files).to_contain_text("1/ 1,000 and more files")
    files.get_by_label("Folder or path").fill("2/9/")
    page.keyboard.press("Enter")
    expect(files).to_contain_text("9/ 100 files")
    files.get_by_label("Folder or path").fill("nobody")
    page.keyboard.press("Enter")
    expect(files).to_contain_text("Nothing has this path.")


def test_files_are_shown_as_what_they_are(page: Page) -> None:
    expect(shown(page, "long.txt")).to_contain_text("The first 65.5 kB of 131 kB.")
    text = page.get_by_label("Text of the file").inner_text()
    assert text == "0123456789abcde\n" * 4096
    json_ = shown(page, "settings.json")
    expect(json_).to_contain_text("seed: 12345678901234567890")
    expect(json_).to_contain_text(json.dumps(MARKUP))
    json_.get_by_text("net").click()
    json_.get_by_text("depth").click()
    expect(json_).to_contain_text("2: 3")
    rows = shown(page, "rows.csv").get_by_role("region", name="Rows of the file")
    expect(rows.locator("tbody tr")).to_have_count(2)
    assert texts(rows) == [['a "b", c', "1"], ["two lines", "2"]]
    for compression in ("snappy", "zstd"):
        parquet = shown(page, f"{compression}.parquet")
        expect(parquet.locator("thead")).to_contain_text("lossdouble")
        expect(parquet).to_contain_text("The first 100 rows.")
        assert parquet.locator(".facts dd").all_inner_texts()[:3] == ["500", "2", "1"]
        assert texts(parquet)[3] == ["0.75", "<i>3</i>"]
    npy = shown(page, "array.npy")
    expect(npy.get_by_label("First values")).to_have_text("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")
    expect(npy).to_contain_text("3 \u00d7 4")
    expect(shown(page, "none.txt")).to_contain_text("The file is empty.")


def test_pictures_and_sound_are_loaded_by_the_browser(page: Page) -> None:
    for name in ("pictures/blue.png", "pictures/drawn.svg"):
        picture = shown(page, name).get_by_role("img")
        picture.wait_for()
        page.wait_for_function("image => image.complete && image.naturalWidth === 40", arg=picture.element_handle())
    sound = shown(page, "tone.wav").locator("audio")
    sound.wait_for()
    page.wait_for_function("audio => Math.abs(audio.duration - 0.1) < 0.01", arg=sound.element_handle())


def test_files_that_lie_are_told_and_shown_as_they_are(page: Page) -> None:
    said = alerts(page)
    picture = shown(page, "pictures/no picture.png")
    expect(picture.get_by_role("alert")).to_contain_text("cannot show it as a picture")
    expect(picture.get_by_label("Text of the file")).to_have_text(MARKUP)
    parquet = shown(page, "no.parquet")
    expect(parquet.get_by_role("alert")).to_contain_text("no Parquet file")
    expect(shown(page, "no.json").get_by_role("alert")).to_contain_text("no JSON")
    expect(shown(page, "weights.bin").get_by_label("First bytes")).to_contain_text("000000  00 01 02")
    expect(shown(page, "page.html").get_by_label("Text of the file")).to_have_text(MARKUP)
    assert "owned" not in page.title() and said == []
    expect(shown(page, "nobody.txt").get_by_role("alert")).to_contain_text("No file has the path nobody.txt.")


@pytest.mark.parametrize("name", ["page.html", "pictures/drawn.svg"])
def test_saved_page_that_is_opened_is_nobody(page: Page, name: str) -> None:
    """Its scripts do not run, and were they to, they would be of no origin that has the cookie."""
    said = alerts(page)
    with page.context.expect_page() as opened:
        shown(page, name).get_by_role("link", name="Open").click()
    other = opened.value
    other.wait_for_load_state()
    assert urlparse(other.url).path.endswith(quote(name))
    assert other.title() != "owned" and said == []
    # By the debugger, which no policy binds.
    assert other.evaluate("[self.origin, self.opener]") == ["null", None]
    assert other.evaluate("fetch('/session').then(() => 'read', () => 'refused')") == "refused"
    other.close()


def test_what_differs_between_versions(page: Page) -> None:
    page.goto(f"{ODD_PATH}/2?v=changes")
    about = page.get_by_role("region", name="What is said of both")
    expect(about.get_by_role("row", name="metadata lr")).to_contain_text("metadata lr0.10.2")
    expect(page.get_by_role("status")).to_have_text("2 added, 1 removed, 2 changed, 1 the same.")
    differing = page.get_by_role("region", name="Files that differ")
    assert texts(differing) == [
        ["removed", "gone.txt", "5 B", ""],
        ["changed", "log.txt", f"{len(OLD)} B", f"{len(NEW)} B"],
        ["changed", "run.sh", "2 B", "2 B"],
        ["added", "\uffee moved.txt", "", "5 B"],
        ["added", '\U0001f600 "new" <b>.txt', "", "3 B"],
    ]
    expect(page.get_by_text("1 of the added have the bytes of a removed one")).to_be_visible()
    differing.get_by_role("link", name="log.txt").click()
    lines = page.get_by_label("Lines that differ")
    expect(lines.locator(".removed")).to_have_count(1)
    assert lines.locator(".removed").all_inner_texts() == ["2- line 1"]
    assert lines.locator(".added").all_inner_texts() == ["2+ line one", "41+ the end"]
    assert lines.locator("div").count() == 1 + 2 + 3 + 1 + 3 + 1
    assert parse_qs(urlparse(page.url).query) == {"v": ["changes"], "from": ["1"], "f": ["log.txt"]}
    page.reload()
    expect(lines.locator(".added")).to_have_count(2)
    differing.get_by_role("link", name="run.sh").click()
    expect(page.get_by_text("what changed is whether it can be executed")).to_be_visible()
    page.goto(f"{KINDS}?v=changes")
    expect(page.get_by_text("It is the only version of kinds.")).to_be_visible()


def test_lineage_leads_from_what_was_used_to_what_was_made(page: Page) -> None:
    page.goto(LINEAGE)
    graph = page.get_by_role("region", name="Graph of lineage")
    expect(graph.get_by_role("link")).to_have_count(6)
    left = {
        link.get_attribute("title"): (link.bounding_box() or {"x": 0})["x"] for link in graph.get_by_role("link").all()
    }
    model = next(title for title in left if title and " v" not in title)
    assert left[f"{ODD} v1"] < left["data v1"] < left["result v1"] < left["report v1"]
    assert left[f"{ODD} v2"] < left["result v1"] and left[model] < left["result v1"]
    assert graph.locator("svg > path").count() == 6  # two share their last part
    page.get_by_text("As a list").click()
    assert f"model {model} → result v1" in page.locator("details li").all_inner_texts()
    graph.get_by_role("link", name=model).click()
    expect(page.get_by_role("heading", name="Lineage")).to_be_visible()
    expect(graph.get_by_role("link", name="report v1")).to_be_visible()
    graph.get_by_role("link", name="data v1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("data v1")


def test_storage_says_what_takes_room(page: Page) -> None:
    page.goto(f"{ROOT}/storage")
    expect(page.locator(".facts div", has_text="artifacts").first).to_contain_text("7")
    rows = page.get_by_role("region", name="Largest artifacts").locator("tbody tr")
    expect(rows.first).to_contain_text("kinds")
    expect(page.get_by_text("What is deleted stays for 7 d 0 h")).to_be_visible()


def test_cache_says_why_it_computed(page: Page) -> None:
    page.goto(f"{ROOT}/cache")
    results = page.get_by_role("region", name="Results in the cache")
    expect(results.locator("tbody tr")).to_have_count(2)
    first = results.locator("tbody tr").first
    expect(first.get_by_role("cell").nth(1)).to_have_text("1")
    first.get_by_role("link", name="explained").click()
    expect(page.get_by_role("status")).to_contain_text("A hit")
    differs = page.get_by_role("region", name="What differs")
    assert texts(differs) == [["parameter size", "1", "2"]]
    page.get_by_label("why does a call hit or miss?").fill("0" * 64)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("A miss: no result has this fingerprint.")
    page.get_by_label("why does a call hit or miss?").fill("0")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("fingerprint")


def test_deleted_projects_come_back_unless_their_id_is_taken(page: Page) -> None:
    page.goto("/")
    gone = page.get_by_role("region", name="Deleted projects")
    gone.get_by_role("button", name=f"Bring back {TAKEN}").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{TAKEN} cannot be brought back: ")
    gone.get_by_role("button", name=f"Bring back {THROWN}").click()
    expect(page.get_by_role("link", name=THROWN)).to_be_visible()
    expect(page.get_by_text(f"{THROWN} is back.")).to_be_visible()
    deleted, until = gone.locator("tbody tr").first.locator("td").all_inner_texts()[1:3]
    assert deleted < until


def test_deleted_models_and_experiments_come_back_unless_their_place_is_taken(page: Page) -> None:
    page.goto(f"{ROOT}/trash")
    page.get_by_role("button", name=f"Bring back {TAKEN_MODEL}").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{TAKEN_MODEL} cannot be brought back: ")
    page.get_by_role("button", name=f"Bring back {GONE}").click()
    expect(page.get_by_text(f"{GONE} is back.")).to_be_visible()
    expect(page.get_by_role("region", name="Models").locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name=f"Bring back {GONE_EXPERIMENT}").click()
    expect(page.get_by_text("No deleted experiment can be brought back.")).to_be_visible()
    page.get_by_role("button", name=f"Bring back {TAKEN_MODEL}").click()
    page.get_by_role("alert").get_by_role("link", name="See the other").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("the other")
    page.goto(ROOT)
    expect(page.get_by_role("grid")).to_contain_text(GONE)


VIEWS = [
    *(f"{KINDS}?f={name}" for name in ("settings.json", "zstd.parquet")),
    CHANGES,
    LINEAGE,
    f"{ROOT}/storage",
    f"{ROOT}/trash",
]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 400)])
def test_every_view_of_artifacts_is_for_everybody(
    chromium: Browser, signed_in: BrowserContext, server: WebServer, origin: str, scheme: str, width: int
) -> None:
    with visit(chromium, signed_in, origin, scheme, width) as page:
        http = Http(server.http_port, server.api_key)
        project = ask(http, "ProjectService/GetProject", projectId=ROOM)["project"]["uid"]
        entry = ask(http, "CacheService/ListCacheEntries", projectUid=project)["entries"][0]["fingerprint"]
        for view in [*VIEWS, f"{ROOT}/cache?e={entry}"]:
            page.goto(view)
            page.get_by_role("heading", level=1).wait_for()
            expect(page.locator("#page")).not_to_contain_text("Loading…")
            assert page.evaluate("document.documentElement.scrollWidth") == width, view
            found = Axe().run(page)
            assert found.violations_count == 0, f"{view}: {found.generate_report()}"
