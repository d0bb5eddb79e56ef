"""What comes in and goes out as JSON, and the query strings of pages."""
