"""What a file seems to be: its table, its columns and how it is written, each proposed with a reason.

Imports the rest of `data.intake` but its pipeline.
"""
