"""The built-in cohort of chest films with generated pneumothoraces; it is semi-synthetic."""
