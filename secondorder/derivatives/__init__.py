"""Derivatives: what the user gave, differences, the complex step."""
