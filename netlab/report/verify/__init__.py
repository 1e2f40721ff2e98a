"""A measured matrix, shown for people and as JUnit XML."""
