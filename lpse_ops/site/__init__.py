"""The site: what should be, read from its inventory."""
