"""A server that speaks HTTP too."""

import os
import sys
from pathlib import Path

from s3_server import free_port
from support.backends import Backend
from support.services import Server
from support.web.page_server import PAGE

ORIGIN = "https://page.example:8443"


class WebServer(Server):
    """A server with a port for HTTP."""

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        constants: dict[str, float] | None = None,
        page: Path | None = None,
        **environment: str,
    ) -> None:
        """`page` is a folder with the page that it serves, instead of its own."""
        self.http_port = free_port()
        settings = {"XPSTORE_HTTP_LISTEN": f"127.0.0.1:{self.http_port}", "XPSTORE_HTTP_ORIGINS": ORIGIN, **environment}
        super().__init__(backend.database_url, backend.blob_url, folder, environment=settings, constants=constants)
        if page is not None:
            self.module = "support.web.page_server"
            self.environment |= {PAGE: str(page), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
