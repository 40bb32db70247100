"""The same services over HTTP/1.1: Connect, gRPC-Web, and files by plain GET and PUT; through the same door as gRPC."""
