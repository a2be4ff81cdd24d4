"""What asks a server, because the user asked for it."""
