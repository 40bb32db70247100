"""Where packs rest: one narrow seam, two implementations."""
