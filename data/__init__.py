"""What comes in: the tables' contracts, the sources they are read from, sample shops."""
