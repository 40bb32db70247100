"""Values with fingerprints: in notation, changed at random, of all kinds."""
