"""What calls cost a database that holds more and more."""
