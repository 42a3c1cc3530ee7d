"""PostgreSQL as Django has it, but for how it sees that a connection is over."""
