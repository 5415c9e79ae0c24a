"""Text of reports: numbers, sentences, definitions and table headings; no HTML, no figures."""
