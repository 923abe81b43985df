"""What is learned: encoder, band models, forecasters, and how they are trained, stored and run."""
