"""How models are found by what they hold, shown, drawn, counted, grouped and put into tables."""
