"""Small strains of elastic bodies, in the notation of equations: `from pdesolve.mechanics import stress`."""

from pdesolve.mechanics.elasticity import lame, plane_stress, strain, stress, traction, von_mises

__all__ = ["lame", "plane_stress", "strain", "stress", "traction", "von_mises"]
