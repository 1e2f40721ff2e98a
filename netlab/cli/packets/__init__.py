"""Commands that send, follow and capture packets of a running lab."""
