"""What a class map is worth: accuracy and areas from reference places, and the places to label for that."""
