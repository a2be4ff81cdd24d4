"""Road datasets: which ways are drawn, how wide, where the map is incomplete, and accuracy with a tolerance."""
