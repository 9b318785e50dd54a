"""placeholder"""

QUERY_INTERVAL = 125
