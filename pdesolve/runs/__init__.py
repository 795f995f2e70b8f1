"""A run as the operating system sees it: clock, memory, versions, files."""
