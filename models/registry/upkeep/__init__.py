"""What keeps a store in order: how it is made, that it may be moved, and what killed runs left in it.

Imports the scorers and the store of `registry`, and MLflow.
"""
