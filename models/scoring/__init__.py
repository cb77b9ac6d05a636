"""The served scorer and its formulas; runs in a consumer's environment, so it imports nothing of the project."""
