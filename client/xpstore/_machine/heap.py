"""What the C library does with memory that is free again."""


def keep_freed(size_bytes: int) -> None:
    """Has glibc keep what is freed from now on, twice this and at most 64 MiB, for what comes next.

    It does so by itself once a piece of that size was freed, as NumPy's arrays are. Before, all goes back to the system
    at once: the messages of a download then fault their pages in anew, 0.4 s of CPU for each GiB.
    """
    bytes(size_bytes)  # of pages that are never touched: a bytearray's would be, at 5 ms for 16 MiB
