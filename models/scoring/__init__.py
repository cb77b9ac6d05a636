"""The served scorer and its formulas; a consumer runs it without the project.

Imports nothing of the project: numpy, pandas, scipy and lightgbm alone; `entry` also MLflow.

MLflow logs this folder as an artifact of the registered scorer, and `entry` imports it from there in a consumer's
process, beside other versions of itself. So the files import each other relatively; the project imports the formulas
from here, so that the code under test is the code that is served.

Words: x is the number of repeat purchases (frequency), t_x the age at the last one (recency), T the age at
``as_of``, all times in the unit of the parameters (days in this project). A horizon is a length of time from T on.
"""
