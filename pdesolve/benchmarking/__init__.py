"""Methods compared: every (problem, method, seed) in a process of its own, a record for each, tables and pictures.

Nothing here imports torch except the process that solves.
"""
