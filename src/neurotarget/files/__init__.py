"""Safe reading and atomic writing of files, and the record of files that neurotarget wrote."""
