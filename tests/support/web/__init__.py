"""What tests of the services over HTTP stand on."""
