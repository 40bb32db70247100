"""A training program for tests that kill it: it logs rising numbers and notes what was accepted.

    python -m support.trainer KEY ADDRESS PROJECT MODEL NAME NOTES BATCH_SLOTS [COUNT]

NOTES gets eight bytes of how many numbers `log()` accepted, after each.
"""

import mmap
import sys

import xpstore
from xpstore._spool import sender, shipper
from xpstore._spool.record import SLOT_BYTES


def main() -> None:
    key, address, project, model, name, notes, batch_slots, *count = sys.argv[1:]
    shipper.BATCH_BYTES = int(batch_slots) * SLOT_BYTES
    sender.BATCH_SECONDS = 0.02
    client = xpstore.Client(key, address)
    metrics = client.project(project).experiment("e").model(model).metrics
    limit = int(count[0]) if count else 10_000_000
    with open(notes, "w+b") as file:
        file.truncate(8)
        accepted = mmap.mmap(file.fileno(), 8)
        for number in range(limit):
            metrics.log(name, number, number, "train")
            accepted[:] = (number + 1).to_bytes(8, "little")


if __name__ == "__main__":
    main()
