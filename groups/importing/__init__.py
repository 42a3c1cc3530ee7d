"""Importing agents from a CSV file: what each row says, what it would change, and changing it.

`rows` reads a file without asking the database anything; `judging` gives each row its verdict; `checking` does so for a
whole file, for the preview; `applying` does it again and writes; `working` is how both run beside the web's requests.
"""
