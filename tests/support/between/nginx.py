"""nginx before a server, as a process of one test."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from s3_server import free_port, spawn
from support.needs import needs

# One process without a master, all of whose files are in a folder.
NGINX = """
daemon off;
master_process off;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{}}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    {settings}
}}
"""
SERVER = """
    server {{
        listen {address} http2;
        location / {{ grpc_pass grpc://{target}; }}
        {settings}
    }}"""


class Nginx:
    """nginx as it comes, with a few settings more.

    Attributes:
        address: where it listens.
    """

    def __init__(self, target: str, folder: Path, settings: str = "") -> None:
        folder.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        self._file, self._log = folder / "nginx.conf", folder / "output.log"
        server = SERVER.format(address=self.address, target=target, settings=settings)
        self._file.write_text(NGINX.format(folder=folder, settings=server))
        self._program = needs("nginx")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = spawn([self._program, "-e", "stderr", "-c", str(self._file)], log=self._log)
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((host, int(port)), 5).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"nginx does not start: {self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
