"""Radiomics features of a region of a scan, by the definitions of IBSI."""
