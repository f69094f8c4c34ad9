"""The same arithmetic, faster: convolutions for a processor, and the optimiser Muon."""
