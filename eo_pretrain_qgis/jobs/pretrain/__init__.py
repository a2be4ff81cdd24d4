"""The group “Pretrain” of the toolbox."""
