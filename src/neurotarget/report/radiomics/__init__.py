"""The page of a radiomics study and its figures."""
