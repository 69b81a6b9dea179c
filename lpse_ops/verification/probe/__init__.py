"""Runs on the hosts, as root, with the standard library of Python 3.9 or later: one report in one round trip.

Nothing here changes a host. Every section is collected by itself, so that one that cannot be seen
hides no other: it is then ``{"error": why}``.
"""
