"""The doors for software. One file is one wire format over issue() and redeem(); `base` holds what they share."""
