"""What is logged: records in files of this machine, and their way to the server."""
