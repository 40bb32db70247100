"""What notebooks show of an object: tables of HTML, lines of SVG, and charts of matplotlib."""
