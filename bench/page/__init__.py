"""The page over 10,000 models with 50 metrics of 1,000 steps each, in Chromium; what a watcher costs the server."""
