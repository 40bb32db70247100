"""Callers without a key that is known: told apart by address, slowed down, counted, logged now and then."""

import asyncio
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import unquote

log = logging.getLogger("xpstore")

FORWARDED = "x-forwarded-for"
# So many look-ups of unknown keys at once has an address, and then one a second.
BURST = 20
REFILL_SECONDS = 1.0
ADDRESSES = 4_096
# After so many refusals within a minute an address waits for each, as long as few of its calls do, and few of all: what
# calls in turn calls no faster then. Of each call that waits gRPC may have taken 2 MiB.
HOLD_AFTER = 300
HOLD_SECONDS = 1.0
HELD_OF_ONE, HELD = 16, 32
TELL_SECONDS = 60.0
LINES = 100

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Address:
    __slots__ = ("count", "first", "held", "reason", "tokens", "touched_at")

    def __init__(self) -> None:
        self.held = 0
        self.tokens = float(BURST)
        self.touched_at = time.monotonic()
        self.count = 0
        self.first = self.reason = ""

    def fill(self) -> None:
        now = time.monotonic()
        self.tokens = min(self.tokens + (now - self.touched_at) / REFILL_SECONDS, BURST)
        self.touched_at = now


class Refusals:
    """What addresses were refused, of the last thousands of them.

    Args:
        proxies: those whose word counts on where a call comes from.
    """

    def __init__(self, proxies: Iterable[Network] = ()) -> None:
        self._proxies = tuple(proxies)
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        self._others = 0
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None

    def address(self, peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
        """Where a call comes from, IPv6 by its network of 64 bits; "" where that tells nobody apart."""
        host = _host(peer)
        if host is None:  # a socket of this machine
            return ""
        if not self._is_proxy(host):
            return _block(host)
        said = ",".join(str(value) for key, value in metadata if key == FORWARDED)
        for part in reversed(said.split(",")):
            forwarded = _host_of(part.strip())
            if forwarded is None:
                break
            if not self._is_proxy(forwarded):
                return _block(forwarded)
        return ""

    def _is_proxy(self, host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(host in network for network in self._proxies)

    def may_look_up(self, address: str) -> bool:
        """Whether an unknown key from there is worth a look-up."""
        if not address:
            return True
        known = self._addresses.get(address)
        if known is None:
            return True
        known.fill()
        return known.tokens >= 1

    def refused(self, address: str, peer: str, method: str, reason: str) -> None:
        """Counts a refusal. The first of an address is logged at once, others once a minute with their number."""
        known = self._addresses.get(address)
        if known is None:
            if len(self._addresses) >= ADDRESSES:
                _, oldest = self._addresses.popitem(last=False)
                self._others += oldest.count
            known = self._addresses[address] = _Address()
            if len(self._addresses) <= LINES:
                _tell(address or peer, 1, method, reason)
            else:
                self._others += 1
        else:
            if not known.count:
                known.first, known.reason = method, reason
            known.count += 1
            known.fill()
        known.tokens = max(known.tokens - 1, 0)
        self._addresses.move_to_end(address)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_all)

    async def hold(self, address: str) -> None:
        """Waits before a refusal is answered, where there were too many."""
        known = self._addresses.get(address)
        if not address or known is None or known.count < HOLD_AFTER:
            return
        if known.held >= HELD_OF_ONE or self._held >= HELD:
            return
        known.held += 1
        self._held += 1
        try:
            await asyncio.sleep(HOLD_SECONDS)
        finally:
            known.held -= 1
            self._held -= 1

    def _tell_all(self) -> None:
        self._timer = None
        lines = 0
        for address, known in list(self._addresses.items()):
            if known.count and lines < LINES:
                _tell(address or "unix", known.count, known.first, known.reason)
                lines += 1
            else:
                self._others += known.count
            if not known.count:
                del self._addresses[address]
            known.count = 0
        if self._others:
            log.info("refused", extra={"fields": {"peer": "others", "count": self._others}})
            self._others = 0
        if self._addresses:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_all)


def _tell(peer: str, count: int, method: str, reason: str) -> None:
    log.info("refused", extra={"fields": {"peer": peer, "count": count, "method": method, "reason": reason}})


def _host(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host of what gRPC says of a peer: ipv4:1.2.3.4:5, ipv6:%5B::1%5D:5, unix:."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    return _host_of(unquote(rest).rpartition(":")[0])


def _host_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        host = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(host, "ipv4_mapped", None) or host


def _block(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if host.version == 4:
        return str(host)
    return str(ipaddress.ip_network((host, 64), strict=False))
