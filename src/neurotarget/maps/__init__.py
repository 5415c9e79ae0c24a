"""Reading of gradient-echo scans, the input of susceptibility maps and weighted images."""
