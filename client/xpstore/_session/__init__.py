"""What handles stand on: the client with its order of calls, the current project, and who makes which handle."""
