"""What is measured, each as a program of its own, so that no contender profits from another's warm process."""
