"""Rulesets, by the official module, and their traces."""
