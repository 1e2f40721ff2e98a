"""Packets of a running lab: sent and followed, captured, or reasoned about."""
