"""The page of `view` and its server."""
