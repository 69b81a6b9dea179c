"""The stand-in for SPSE: see README.md in this folder."""
