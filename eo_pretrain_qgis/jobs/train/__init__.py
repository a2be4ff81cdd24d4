"""The group “Train” of the toolbox."""
