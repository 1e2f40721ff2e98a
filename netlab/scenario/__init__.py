"""The network that the user wants: a scenario file becomes a checked, resolved topology. Pure."""
