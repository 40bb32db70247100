"""Code generated from the files of proto/xpstore/v1."""
