"""Files on their way: scanned, cut and sent; fetched, verified and laid down."""
