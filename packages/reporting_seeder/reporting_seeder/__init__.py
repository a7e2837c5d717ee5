"""Make the reports of agencies anew, of what a warehouse holds."""
