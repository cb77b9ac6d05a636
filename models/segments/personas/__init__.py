"""Personas: clusters of customers who behave alike, their number and their names. Imports `stats`."""
