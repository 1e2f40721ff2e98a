"""Traces: single probes, watched at every interface of a lab."""
