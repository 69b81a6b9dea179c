"""Read-only facts about hosts as frozen dataclasses."""
