"""The command line `revealed`.

Imports the flows, `reports` and `steps`.
"""
