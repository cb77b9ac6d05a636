"""What stands twice: rows in several files, lines that are repeated, and ids that differ only in how they are written.

Imports the rest of `data.intake` but its pipeline.
"""
