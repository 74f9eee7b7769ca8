"""Single mails: sent once, refused for good, told of by their providers."""
