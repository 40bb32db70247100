"""What is removed in several transactions, so that no other write waits for all of it."""

from collections.abc import Callable

from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction


async def removed(database: Database, remove_some: Callable[[Transaction], int]) -> int:
    """Removes some until there are none; returns how many. Whoever repeats the call after a crash goes on."""
    total = 0
    while count := await database.write_async(remove_some):
        total += count
    return total
