"""What a run on a cluster tells people, from the counts and sums that the cluster made.

Imports `steps` and what it imports, and the files of `reports`.
"""
