"""Read-only facts about a site: what is, as frozen dataclasses. Nothing here changes a host."""
