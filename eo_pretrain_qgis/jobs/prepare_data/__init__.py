"""The group “Prepare data” of the toolbox."""
