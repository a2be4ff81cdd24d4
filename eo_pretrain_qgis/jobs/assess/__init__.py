"""The group “Assess” of the toolbox."""
