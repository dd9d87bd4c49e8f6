"""Path of the claims of all papers, and the name under which figures get them."""

ALL_CLAIMS = "results/claims.nc"
# Name of the gathered claims among what a figure is drawn from, beside names of experiments.
CLAIMS = "claims"
