"""The instructor's side: grade handed-in notebooks in a sandbox, keep the gradebook, write feedback and reports."""
