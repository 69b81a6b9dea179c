"""The testinfra suite that lpse-ops verify runs against real hosts."""
