"""The services of bytes past the server."""
