"""YAML with its places: reading, checking positions, editing a file without losing a comment."""
