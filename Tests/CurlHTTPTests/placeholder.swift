

// In work.
