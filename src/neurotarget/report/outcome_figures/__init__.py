"""Figures of predicted outcomes: ROC curves, calibration, confusion and probabilities."""
