"""The built-in cohort of chest films with drawn pneumothoraces; it is semi-synthetic."""
