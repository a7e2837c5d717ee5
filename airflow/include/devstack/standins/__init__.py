"""Stand-ins for services that are reached over HTTP, one file each; they speak the real protocols."""
