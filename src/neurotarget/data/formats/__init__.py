"""Files of scans, read within bounds: NIfTI, MetaImage, NRRD, NumPy, DICOM, films, pictures."""
