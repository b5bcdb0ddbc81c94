"""Measurements that are repeated by hand or held by a test; not part of the package."""
