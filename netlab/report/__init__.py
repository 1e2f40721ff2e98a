"""What happened: as text, pictures, data and JUnit."""
