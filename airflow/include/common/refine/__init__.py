"""Refining: files of bronze become typed, clean, unique rows of silver."""
