"""How a lab is drawn."""
