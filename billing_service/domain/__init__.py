"""The rules of money and days: no database, no clock, no chance; they come as arguments."""
