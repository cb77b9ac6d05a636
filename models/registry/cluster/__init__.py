"""The registered scorer on the executors of a cluster.

Imports `models` and the files of `registry`.
"""
