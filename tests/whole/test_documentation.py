"""What the documents name exists, and what exists is named there."""

import re
import subprocess
import sys
from pathlib import Path

from xpstore_server.core import limits
from xpstore_server.core.search import operand
from xpstore_server.core.search.filter import parse_filter
from xpstore_server.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "server.md").read_text()
    missing = [name for name in Settings.model_fields if f"`XPSTORE_{name.upper()}`" not in page]
    assert not missing


def test_every_documented_variable_exists() -> None:
    known = {f"XPSTORE_{name.upper()}" for name in Settings.model_fields}
    sources = "".join(path.read_text() for path in (ROOT / "client" / "xpstore").rglob("*.py"))
    for page in PAGES:
        for name in set(re.findall(r"XPSTORE_[A-Z_]+", page.read_text())):
            is_of_tests = name.startswith("XPSTORE_TEST_")
            assert name in known or is_of_tests or f'"{name}"' in sources, f"{page.name} names {name}"


def test_every_server_command_is_documented() -> None:
    page = (ROOT / "docs" / "server.md").read_text()
    shown = subprocess.run(
        [sys.executable, "-m", "xpstore_server", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^\W*(serve|migrate|keys|[a-z-]+)  +[A-Z]", shown, re.MULTILINE)
    assert {"serve", "migrate", "keys"} <= set(commands)
    assert not [command for command in commands if f"xpstore-server {command}" not in page]


def test_documented_fields_and_limits_are_those_of_search() -> None:
    page = (ROOT / "docs" / "search.md").read_text()
    assert not [name for name in operand.NAMES if f"`{name}`" not in page]
    assert f"{limits.FILTER_BYTES >> 10} KiB, {limits.FILTER_COMPARISONS} comparisons" in page
    assert f"nested {limits.FILTER_DEPTH} deep" in page
    for example in re.findall(r"`((?:not )?(?:name|tags) [^`]*'[^`]*)`", page):
        parse_filter(example)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_have_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    for target in phony.split():
        assert re.search(rf"^{target}:.*## \w", makefile, re.MULTILINE), target


# Files that a page speaks of and that are made where it runs.
MADE = {"store/migrations/versions/NNNN_what_it_is.py"}


def test_every_file_that_a_page_or_a_comment_names_is_there() -> None:
    code = [path for folder in ("client", "server", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    there = {str(path.relative_to(ROOT)) for path in [*code, *ROOT.glob("*/*"), *ROOT.glob("proto/**/*")]}
    there |= {str(path.relative_to(ROOT)) for path in (ROOT / "server").rglob("*.lark")}
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", *code]:
        for name in {*re.findall(r"`([\w/.-]+\.(?:py|lark|proto))`", page.read_text())} - MADE:
            assert any(f"/{path}".endswith(f"/{name}") for path in there), f"{page.name} names {name}"
