"""Objects as files and back, and the copies of them on this machine."""
