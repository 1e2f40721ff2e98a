"""One probe, watched at every interface."""
