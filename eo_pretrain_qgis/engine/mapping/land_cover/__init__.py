"""From what a model says of pixels to land cover: a map without specks, its areas, its outlines, and its change since an earlier one."""
