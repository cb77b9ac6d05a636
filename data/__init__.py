"""What comes in: the tables' contracts, their intake, real and simulated shops.

Imports nothing of the project.
"""
