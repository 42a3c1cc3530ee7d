"""A change of the database in the way that changes are made: expand, migrate, contract. Of the tests alone."""
