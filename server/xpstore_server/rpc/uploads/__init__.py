"""What brings bytes in: streams of chunks and of whole files, read in turns, and the packs that come of them."""
