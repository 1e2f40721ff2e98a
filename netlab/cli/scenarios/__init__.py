"""Commands about scenario files."""
