"""Durable workflows for plain Python functions."""
