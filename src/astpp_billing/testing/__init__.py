"""What users need to test their own prices and storages."""
