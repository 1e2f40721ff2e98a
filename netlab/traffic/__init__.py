"""Other people's packets, as conversations."""
