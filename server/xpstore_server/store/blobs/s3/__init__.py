"""What talking to an S3 server takes: where it is, the line to it, and what its answers mean."""
