"""The stand-in for SPSE: a small Java application with its layout and behaviour."""
