"""Fixtures of the cases of faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs.fault import Lab
from support.programs.local_service import local_service
from support.programs.running import Warm


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    with local_service(tmp_path_factory.mktemp("service")) as service, Warm(1, "xpstore.run") as warm:
        yield Lab(warm, folder, service)
