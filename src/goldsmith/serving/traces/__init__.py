"""What is kept of the requests: offered by the router, scrubbed and made durable by a collector.

router -> sender.py (bounded, never waits) -> POST /v1/traces -> collector.py
collector: record.py -> scrub.py -> journal.py (fsync, then 200) -> sealer.py (store)
archive.py reads, counts and forgets what lies in the store
"""
