"""How packets that pass are shown, line by line."""
