"""How a trace is told: lines, steps, pictures, files."""
