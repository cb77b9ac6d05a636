"""Simulated shops of known truth: customers, purchases, events and answers. Imports `data` alone."""
