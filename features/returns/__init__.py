"""What came back of what was sold: which sale each return takes from, and how long after it.

Imports `data` and the files of `features`.
"""
