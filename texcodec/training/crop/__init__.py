"""Learning which part of a fixed camera's pictures a task needs (docs/guides/crop.md); profiles need no torch."""
