"""Where the claims of all papers lie, and how figures that show them get them."""

ALL_CLAIMS = "results/claims.nc"
# Name of the gathered claims among what a figure is drawn from, beside names of experiments.
CLAIMS = "claims"
