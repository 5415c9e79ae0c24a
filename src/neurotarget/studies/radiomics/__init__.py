"""Radiomics studies of scans and masks in a run folder."""
