"""The examples of docs/http.md run in their order, with nothing but curl and a shell."""

import os
import re
import subprocess
from pathlib import Path

from support.contract.methods import ROOT
from support.homes import without_settings
from support.needs import needs
from support.web.server import WebServer

PAGE = (ROOT / "docs" / "http.md").read_text()


def test_examples_run(server: WebServer, tmp_path: Path) -> None:
    needs("curl")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    environment = {
        **without_settings(),
        "XPSTORE_HTTP_URL": f"http://127.0.0.1:{server.http_port}",
        "XPSTORE_API_KEY": server.api_key,
        "no_proxy": "127.0.0.1",
        "PATH": os.environ["PATH"],
    }
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, timeout=120
    )
    said = result.stdout.decode(errors="replace")
    assert result.returncode == 0, f"{said}\n{result.stderr.decode(errors='replace')}"
    assert said.count('"hash": "m1"') == 3, "made, and found twice"
    assert '"nextPoint": "1"' in said and '"reason": "NOT_FOUND"' in said
    assert said.count('"sizeBytes": "3000000"') == 2
