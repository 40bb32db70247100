"""What logs from the hooks of other frameworks, one file for each, loaded only by whoever imports it."""
