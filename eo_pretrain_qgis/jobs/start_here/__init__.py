"""The group “Start here” of the toolbox."""
