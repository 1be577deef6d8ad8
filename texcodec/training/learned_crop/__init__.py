"""Learning which part of a fixed camera's pictures a task needs (docs/crop.md); profiles themselves need no torch."""
