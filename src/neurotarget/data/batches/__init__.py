"""Preparation of cases, and batches of patches from prepared cases."""
