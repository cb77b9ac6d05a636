"""What is seen: one row of features per (customer, as_of), labels from answers."""
