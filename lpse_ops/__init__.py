"""lpse-ops: failover, rebuild and recovery drills for LPSE sites that run SPSE."""

__version__ = "0.1.0"
