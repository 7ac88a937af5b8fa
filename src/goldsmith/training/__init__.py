"""Training loops on TRL, and the launcher that starts them in processes of their own."""
