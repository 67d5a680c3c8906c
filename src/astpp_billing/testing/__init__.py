"""What users need to test their own prices and storages.

`strategies` are Hypothesis strategies and need the extra `testing`; import it by name.
"""
