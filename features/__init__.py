"""What is seen of a customer before a date: one row of features per (customer, as_of), and labels. Imports `data`."""
