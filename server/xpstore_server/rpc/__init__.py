"""Wire in, wire out: the only place that knows protobuf."""
