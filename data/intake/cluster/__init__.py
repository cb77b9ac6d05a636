"""Tables that stay on a cluster: read where they lie by Spark, checked there, and kept there for the run.

Imports `contracts`, `pseudonyms` and the files of `intake`.
"""
