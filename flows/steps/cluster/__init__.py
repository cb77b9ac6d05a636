"""What a flow does on a cluster: the same steps, of which only counts, sums and samples come to the driver.

Imports `models` and what it imports, and the files of `steps`.
"""
