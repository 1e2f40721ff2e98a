"""Commands that build, end and look at labs."""
