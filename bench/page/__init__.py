"""The page: over 10,000 models, beside those of others, for who watches it, and at the first use."""
