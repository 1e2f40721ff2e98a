"""The machine that netlab runs on: what it can do, and how much of it."""
