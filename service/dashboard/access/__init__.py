"""What pages say of people and what they did."""
