"""Prints the tables of docs/kinds.md; `--write` renews them there."""

import sys

from support.kinds.page import PAGE, page

if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
    else:
        print(page())
