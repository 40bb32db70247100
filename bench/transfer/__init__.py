"""The data plane: files up and down, beside `minio` straight to the same S3 server, MLflow, and a plain copy.

This file imports nothing: it is loaded by every client that is measured, in whatever environment.
"""
