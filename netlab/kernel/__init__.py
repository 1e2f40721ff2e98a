"""The only room that touches Linux: creates, observes, alters and removes a plan's resources."""
