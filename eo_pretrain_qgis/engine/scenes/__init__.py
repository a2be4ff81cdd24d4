"""Scenes found in a catalogue or an item file: where and when they are, which go with a radar scene, and their images on one grid."""
