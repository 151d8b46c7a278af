"""What an extraction leaves: tables, a JSON document, a page to review it by."""
