"""YAML with positions: reading a file, and editing it without losing a comment."""
