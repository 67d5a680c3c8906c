"""The ledger: postings, wallets and what they prove."""
