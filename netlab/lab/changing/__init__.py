"""Changes of a running lab: its scenario edited, and the lab brought there or back."""
