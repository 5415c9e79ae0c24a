"""Cases, regions and scales of grey values from which features are measured."""
