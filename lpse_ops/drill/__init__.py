"""Drills: the ledger of acknowledged writes, the comparison after a failover, the report."""
