"""Generated protobuf messages of the wire; made by scripts/proto from proto/loom/v1, never by hand."""
