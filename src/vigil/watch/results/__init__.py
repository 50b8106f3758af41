"""What is written about a watched video: tables, events, videos, a page and proposals."""
