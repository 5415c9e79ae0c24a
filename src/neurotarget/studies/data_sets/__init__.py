"""Commands on data sets before a study: preparation, other labels, fused masks, target files."""
