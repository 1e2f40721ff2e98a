"""Commands that change a running lab."""
