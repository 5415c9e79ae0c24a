"""The built-in cohort of knees in three series, with torn or intact ligaments and menisci."""
