"""Makes the datapoints that are read, in any server that speaks MADSci: `python seed.py URL`."""

import http.client
import sys
from urllib.parse import urlencode, urlsplit

# As many as datapoints.lua reads.
SEEDS = 1000

connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc, timeout=60)
for number in range(SEEDS):
    about = ('{"datapoint_id":"01SEED%04d","label":"T","ownership_info":{},"data_type":"json",'
             '"data_timestamp":"2026-11-28T16:52:31.354646","value":{"temperature":23.5}}' % number)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/datapoint", urlencode({"datapoint": about}), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status} {text[:500]!r}")
