"""Packs of which little is needed, and small ones: what they hold goes into new ones."""
