"""Search for models: a text becomes a condition, the condition SQL, and what it holds for comes page by page."""
