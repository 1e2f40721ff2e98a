"""Which addresses VMware, and the other products, give to what."""
