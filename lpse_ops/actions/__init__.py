"""What the steps of a plan do on hosts, one file a component."""
