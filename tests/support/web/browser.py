"""What a browser sends of itself with a request: where it comes from, and the cookies of the place."""

import json
import re
from typing import Any

from support.web.http import JSON, Answer, Http


class Browser(Http):
    """A page at an address, with cookies and no key.

    Attributes:
        cookies: names and values.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.cookies: dict[str, str] = {}

    def ask(
        self, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None, site: str = "same-origin"
    ) -> Answer:
        """Sends a request as the page of an origin would.

        Args:
            site: what the browser says of that origin; "" for one that says nothing.
        """
        said = {"Sec-Fetch-Site": site} if site else {}
        if self.cookies:
            said["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = super().ask(verb, path, body, {**said, **(headers or {})})
        if found := re.match(r"([^=;]+)=([^;]*)", answer.headers.get("set-cookie", "")):
            self.cookies[found[1]] = found[2]
            if not found[2]:
                del self.cookies[found[1]]
        return answer

    def log_in(self, key: str) -> Answer:
        """Sends a key, and keeps the cookie."""
        return self.ask("POST", "/session", json.dumps({"key": key}).encode(), {"Content-Type": JSON})
