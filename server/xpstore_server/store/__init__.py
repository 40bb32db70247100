"""Tables, database, blobs and chunks. Knows no rules of any feature and nothing of the wire."""
