"""Tables, database, blobs and chunks, and the rule of liveness: which bytes are needed, and what becomes of others.

That rule (`purge`, `sweep`, `preview`, `repack_candidates`, `rewrite`) is kept by locks and foreign keys of the tables,
so it stands beside them. Rules of other features are in `core`. Nothing here knows the wire.
"""
