"""Sea-ice datasets: radar scenes with incidence angle, ice charts in SIGRID-3, patches inside polygons."""
