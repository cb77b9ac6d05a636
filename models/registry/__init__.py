"""The store: runs, versions of the scorer, published scores. With `scoring.entry` the only room that imports MLflow."""
