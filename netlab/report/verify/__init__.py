"""How a matrix is shown."""
