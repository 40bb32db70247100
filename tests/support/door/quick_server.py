"""`xpstore-server` whose bounds of time are those of a test."""

SECONDS = 4.0

if __name__ == "__main__":
    from xpstore_server.__main__ import main  # here, as tests take no more than the bound from this file
    from xpstore_server.core import limits  # the same
    from xpstore_server.door import requests  # the same

    limits.CALL_US = limits.SILENCE_US = int(SECONDS * 1_000_000)
    requests.SILENCE_SECONDS = SECONDS
    main()
