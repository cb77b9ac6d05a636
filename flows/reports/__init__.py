"""What a run tells people and leaves with its run.

Imports `steps` and what it imports.
"""
