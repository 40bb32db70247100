"""Packages of the clients in other languages: built, tested, and used by a clean project outside of this repository.

    python -m conformance.sdk

For each language whose tool chain is here it runs what `client/LANGUAGE/` has of these, in this order:

    gen --check  compares generated code that is committed with what proto/ gives
    build        makes the package in build/sdk/LANGUAGE/
    test         runs the client's own tests, which need no server
    clean        makes a project in a folder elsewhere, installs the package in it as a user would, and runs the
                 example of examples/LANGUAGE/ against the server of XPSTORE_API_URL and XPSTORE_API_KEY
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.known import TOOLS, lacking
from conformance.world import World

ROOT = Path(__file__).parents[2]
SCRIPTS = {"gen": ["--check"], "build": [], "test": [], "clean": []}
SECONDS = 1_500


def run(script: Path, settings: dict[str, str], log: Path) -> bool:
    """Runs one script. What it says goes to the log, and where it fails to standard error too."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XPSTORE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # with buf and python
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [script, *SCRIPTS[script.name]],
            env={**inherited, **settings, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            status: int | str = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = f"none after {SECONDS} s"
    name = script.relative_to(ROOT)
    print(
        f"{time.monotonic() - began:6.1f} s  {name}: {'ok' if status == 0 else f'FAILED, status {status}'}", flush=True
    )
    if status != 0:
        print(log.read_text(errors="replace")[-5_000:], file=sys.stderr)
    return status == 0


def main() -> int:
    logs = ROOT / "build" / "sdk"
    logs.mkdir(parents=True, exist_ok=True)
    failed, missing = [], {}
    with tempfile.TemporaryDirectory(prefix="sdk-") as folder, World(Path(folder)) as world:
        for language in TOOLS:
            scripts = [path for name in SCRIPTS if (path := ROOT / "client" / language / name).is_file()]
            if scripts and (told := lacking(language)):
                missing[language] = told
                continue
            log = logs / f"{language}.log"
            log.unlink(missing_ok=True)
            if not all(run(script, world.place.settings, log) for script in scripts):
                failed.append(language)
    for language, told in missing.items():
        print(f"not made: {language}: {told}")
    if failed:
        print(f"failed: {', '.join(failed)}; build/sdk/ has what they said")
    return 1 if failed or (missing and os.environ.get("CI")) else 0


if __name__ == "__main__":
    sys.exit(main())
