"""Topics of comments, in any language that sets spaces between words. Imports `stats` and `scoring`."""
