"""Data sets as they lie in folders and tables: BIDS, BraTS, MSD, nnU-Net, tables of cases."""
