"""The fault suite, `make faults`: a portal of two nodes, and what happens to it. docs/faults.md tells more."""
