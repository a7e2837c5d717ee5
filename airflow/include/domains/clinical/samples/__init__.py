"""A made-up oncology study, as its sites would hand it over."""
