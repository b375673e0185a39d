"""JSONL to checked documents, token cache, packed rows and batches. No torch."""
