"""Land-cover datasets: legends of known maps, coarse maps on fine images, filters of doubtful labels."""
