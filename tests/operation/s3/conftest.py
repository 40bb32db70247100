"""What tests of stores that lie share."""

from collections.abc import Iterator

import pytest

from s3_server import SeaweedFS
from support.between.lying_s3 import LyingS3


@pytest.fixture(scope="module")
def lying(seaweedfs: SeaweedFS) -> Iterator[LyingS3]:
    """A proxy before the S3 server, honest until it has rules."""
    with LyingS3(f"127.0.0.1:{seaweedfs.port}") as lying:
        yield lying
