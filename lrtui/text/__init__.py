"""Numbers, rates, signs and file names as people write them."""
