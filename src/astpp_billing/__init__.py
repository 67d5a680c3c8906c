"""Billing for telecom resellers."""
