"""Quantiles of the standard normal distribution that intervals and tests use, each written here and nowhere else."""

# Half the width, in standard errors, of a two-sided interval of 95 %.
NORMAL_95 = 1.959963984540054
# The same rounded to two digits, by which the drift of the purchases is judged: a verdict must not move by rounding.
ROUNDED_95 = 1.96
# Standard errors by which a difference must exceed 0 in a one-sided test of 5 %.
ONE_SIDED_95 = 1.645
