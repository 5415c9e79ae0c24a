"""The comparison of several arms on the same cases."""
