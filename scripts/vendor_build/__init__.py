"""What ``scripts/check-vendor-build`` is made of: building with ST's public sources, and looking at what came out."""
