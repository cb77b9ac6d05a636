"""What comes in: the contracts of the tables, their intake, sample shops and simulated ones.

Imports nothing of the project.
"""
