"""Who was measured, who failed, and what the people are like."""
