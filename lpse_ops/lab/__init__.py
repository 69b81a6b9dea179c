"""The lab: real systemd hosts, network, BMCs and faults on one machine."""
