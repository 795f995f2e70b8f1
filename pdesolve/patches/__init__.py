"""The hp discretisation: cells, bases, collocation points, rows and Newton on a partitioned mixture."""
