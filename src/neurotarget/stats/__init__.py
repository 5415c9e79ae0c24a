"""Estimates and tables from rows of rows.csv, without files or plots."""
