"""What both sides agree on: messages with chunks, the cut, trees of files and their manifests, and URLs; no I/O."""
