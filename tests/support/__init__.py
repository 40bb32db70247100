"""What tests stand on and is no test itself: real stores and servers, protocols spoken by hand, programs to start."""
