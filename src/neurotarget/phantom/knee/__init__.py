"""The built-in cohort of knees in three series, with torn or whole ligaments and menisci."""
