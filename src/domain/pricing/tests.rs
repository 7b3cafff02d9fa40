//! Prices, line by line.
