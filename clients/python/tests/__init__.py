"""Tests of the Python clients. ``python3 -m unittest discover`` from ``clients/python``."""
