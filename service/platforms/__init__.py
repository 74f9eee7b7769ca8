"""One social network per file, behind the contract in contract.py."""
