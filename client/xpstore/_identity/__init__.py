"""What makes two values, two functions and two computations the same."""
