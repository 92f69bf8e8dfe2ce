"""The report page, the browse page and its server, citations."""
