"""Every public method of the client emptied in turn, to see which tests notice."""
