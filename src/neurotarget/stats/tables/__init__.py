"""The tables of a study: agreement, sites, raters, parts, findings, discrimination."""
