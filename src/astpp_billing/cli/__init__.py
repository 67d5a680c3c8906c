"""The `astpp-billing` command."""
