"""Pure builders, one file a verb: from a Site and an Observation to a Plan, or to all the reasons why not."""
