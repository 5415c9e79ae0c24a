"""Safe reading and atomic writing of files, and the record of the files that we wrote."""
