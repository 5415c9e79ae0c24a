"""Readers of data set layouts: BIDS, BraTS, MSD, nnU-Net raw, tables of cases."""
