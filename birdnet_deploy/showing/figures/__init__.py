"""The pictures of a report, by matplotlib: SVG whose colours are the page's, PNG of what the device hears."""
