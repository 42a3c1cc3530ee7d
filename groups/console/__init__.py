"""The console: where administrators run their call center. One module a page or a family of pages."""
