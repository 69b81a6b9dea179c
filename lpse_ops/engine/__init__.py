"""Runs a Plan and writes what happened into its Journal."""
