"""Helpers of the tests of the door."""
