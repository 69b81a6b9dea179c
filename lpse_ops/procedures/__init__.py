"""Pure builders of plans, one file a verb."""
