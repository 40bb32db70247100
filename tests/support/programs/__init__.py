"""Random small programs and edits of them: a cache must tell apart what computes other values."""
