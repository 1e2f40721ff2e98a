"""The only room that touches Linux: creates, observes and removes nouns."""
