"""Drawings of a lab."""
